package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

var portLimits = Limits{Warn: 70, Fail: 90,
	Source: "of net.ipv4.ip_local_port_range, for the one destination with the most connections of the host; a port can be used again for another one"}

const (
	// maxSockets bounds how many lines of the table are read; each takes 150 bytes
	// and is forgotten again.
	maxSockets = 1 << 20
	// maxDestinations bounds how many are counted apart.
	maxDestinations = 1 << 16
)

// ports looks at what a total cannot tell. A connection is told from others by
// its two addresses and two ports, so that ports run out for one destination at a
// time: a proxy with 28,000 connections to one server has none left, and one with
// as many to a hundred has plenty.
var ports = Check{
	ID:       "ports",
	Title:    "the host can open more connections",
	Unit:     "%",
	Limits:   portLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find who opens so many (ss -tan state all | sort by peer): keep connections alive, or widen net.ipv4.ip_local_port_range",
	Action:   ActionNone,
	Run: func(ctx context.Context, p Patient) Finding {
		low, high, assumed, err := p.Host.portRange()
		if err != nil {
			return unreadable("net.ipv4.ip_local_port_range", err)
		}
		count := map[string]int{}
		for _, file := range []string{"proc/1/net/tcp", "proc/1/net/tcp6"} {
			switch err := p.Host.destinations(ctx, file, low, high, count); {
			case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(file, "6") && p.Host.exists("proc/1/net"):
			case err != nil:
				return unreadable(file, err)
			}
		}
		most, to := 0, ""
		for destination, n := range count {
			if n > most || n == most && destination < to {
				most, to = n, destination
			}
		}
		size := high - low + 1
		percent := float64(most) * 100 / float64(size)
		f := Finding{State: judge(portLimits, percent), Observed: fmt.Sprintf("%.0f%% (%d of %d)", percent, most, size)}
		if assumed {
			f.Observed += ", the range is the kernel's own"
		}
		if f.State != Pass {
			// The address is hex as the kernel writes it; which one it is, ss says.
			f.Reason, f.Message = "PortsNearLimit", fmt.Sprintf("%d connections to one destination, of %d ports", most, size)
		}
		return f
	},
}

// portRange is the host's range of ports for connections that it opens. The file
// is that of the reader's own network: elsewhere the kernel's default is assumed.
func (h *Host) portRange() (low, high int, assumed bool, err error) {
	const defaultLow, defaultHigh = 32768, 60999
	if here, err := h.inHostNetwork(); err == nil && !here {
		return defaultLow, defaultHigh, true, nil
	}
	text, err := h.line("proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, false, err
	}
	if _, err := fmt.Sscan(text, &low, &high); err != nil || low < 1 || high > 65535 || high < low {
		return 0, 0, false, fmt.Errorf("parse %.40q: it is no range of ports", text)
	}
	return low, high, false, nil
}

// destinations counts the sockets that hold a port of the range, by their own
// address and the other's. It reads line by line: a busy proxy has a table of
// megabytes.
func (h *Host) destinations(ctx context.Context, file string, low, high int, count map[string]int) error {
	f, err := h.FS.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, orGarbage(nil))
	}
	lines := bufio.NewScanner(io.LimitReader(f, 256*maxSockets))
	head := true
	for n := 0; lines.Scan() && n < maxSockets && ctx.Err() == nil; n++ {
		fields := strings.Fields(lines.Text())
		if head {
			if head = false; len(fields) < 2 || fields[1] != "local_address" {
				return orGarbage(nil)
			}
			continue
		}
		if len(fields) < 4 || fields[3] == "0A" { // listens
			continue
		}
		own, port, ok := strings.Cut(fields[1], ":")
		v, err := strconv.ParseUint(port, 16, 16)
		if !ok || err != nil || int(v) < low || int(v) > high {
			continue
		}
		key := own + ">" + fields[2]
		if _, known := count[key]; known || len(count) < maxDestinations {
			count[key]++
		}
	}
	if head {
		return orGarbage(lines.Err())
	}
	return lines.Err()
}
