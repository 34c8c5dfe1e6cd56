package doctor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

var nicCarrier = Check{
	ID:       "nic-carrier",
	Title:    "network cards that are switched on have a link",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "IFF_UP without carrier, on devices of hardware; virtual ones come and go with pods"},
	Remedy:   "look at the VNIC's attachment and at dmesg for its driver; a primary interface without link is the host's: replace the node",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		nics, err := p.Host.nics()
		if err != nil {
			return unreadable("sys/class/net", err)
		}
		if len(nics) == 0 {
			return skip(ReasonNotApplicable, "no network card is visible from here")
		}
		var down []string
		up := 0
		for _, nic := range nics {
			flags, err := p.Host.line(path.Join(nic, "flags"))
			bits, errBits := strconv.ParseUint(strings.TrimPrefix(flags, "0x"), 16, 64)
			if err = errors.Join(err, errBits); err != nil {
				return unreadable(path.Join(nic, "flags"), err)
			}
			if bits&1 == 0 {
				continue // switched off on purpose
			}
			if carrier, err := p.Host.line(path.Join(nic, "carrier")); err != nil || carrier != "1" {
				down = append(down, path.Base(nic))
				continue
			}
			up++
		}
		f := pass(fmt.Sprintf("%d with a link", up))
		if len(down) > 0 {
			f.State, f.Reason, f.Message = Warn, "NoCarrier", "no link: "+strings.Join(down, ", ")
			if up == 0 {
				f.State = Fail
			}
		}
		return f
	},
}

var flapCounter = counter{id: "nic-flaps", reason: "LinkFlapping", what: "changes of a link", normal: 8,
	limits: Limits{Warn: 3, Source: "since the last run; a link that was set up anew changes twice"}}

var nicFlaps = nicCounter(flapCounter, "the links of network cards are steady", "changes",
	"dmesg names the times; on bare metal it is the cable, the card or the switch: replace the node when it goes on",
	"carrier_changes")

var nicErrorCounter = counter{id: "nic-errors", reason: "InterfaceErrors", what: "packets with errors",
	limits: Limits{Warn: 10, Source: "since the last run; a sound link has none in years. Drops are not counted: queues overflow for other reasons"}}

var nicErrors = nicCounter(nicErrorCounter, "network cards send and receive without errors", "packets",
	"ethtool -S shows which; on bare metal it is the cable or the card: replace the node when it goes on",
	"statistics/rx_errors", "statistics/tx_errors")

// nicCounter is a check on the sum of some counters of each network card.
func nicCounter(c counter, title, unit, remedy string, files ...string) Check {
	return Check{
		ID: c.id, Title: title, Unit: unit, Limits: c.limits, Evidence: EvidenceCounter, Remedy: remedy, Action: ActionNone,
		Run: func(_ context.Context, p Patient) Finding {
			nics, err := p.Host.nics()
			if err != nil {
				return unreadable("sys/class/net", err)
			}
			if len(nics) == 0 {
				return skip(ReasonNotApplicable, "no network card is visible from here")
			}
			counts := map[string]uint64{}
			for _, nic := range nics {
				for _, file := range files {
					v, err := p.Host.number(path.Join(nic, file))
					if err != nil {
						return unreadable(path.Join(nic, file), err)
					}
					counts[path.Base(nic)] += v
				}
			}
			return c.judge(p.Host, counts)
		},
	}
}

// nics are the directories of the network devices that have hardware behind
// them. A mount of the host's /sys shows the host's network, whichever namespace
// reads it.
func (h *Host) nics() ([]string, error) {
	all, err := h.names("sys/class/net")
	var out []string
	for _, name := range all {
		dir := path.Join("sys/class/net", name)
		if h.exists(path.Join(dir, "device")) {
			out = append(out, dir)
		}
	}
	return out, err
}
