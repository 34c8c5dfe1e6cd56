package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Console is what a machine has written to its serial console, or why that is not
// known.
type Console struct {
	Text []byte
	Err  error
}

const (
	// consolePatience bounds one machine's console, which the cloud takes a copy of
	// first.
	consolePatience = 2 * time.Minute
	consolesAtOnce  = 4
)

// ReadConsoles asks for the consoles of the named nodes and machines, by name. It
// is the one thing an examination over the API does that leaves a trace (a copy,
// which is removed again), and never happens unasked.
func ReadConsoles(ctx context.Context, fleet *cloudprovider.Fleet, s *world.Snapshot, names []string) map[string]Console {
	out := map[string]Console{}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	gate := make(chan struct{}, consolesAtOnce)
	for _, pool := range s.Pools {
		for _, n := range pool.Nodes {
			if n.Instance == nil || !wanted[n.Name()] && !wanted[string(n.Instance.ID)] {
				continue
			}
			all.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				ctx, cancel := context.WithTimeout(ctx, consolePatience)
				defer cancel()
				text, err := fleet.Console(ctx, pool.Cloud.ID, n.Instance.ID)
				mu.Lock()
				defer mu.Unlock()
				out[n.Name()] = Console{text, err}
			})
		}
	}
	all.Wait()
	return out
}

// consoleSign is a way in which a boot, or a kernel, can end on the console.
type consoleSign struct {
	reason, says string
	state        State
	line         *regexp.Regexp
}

// consoleSigns are in order of what they explain: the first that is there is the
// finding.
var consoleSigns = []consoleSign{
	{"KernelPanic", "the kernel panicked", Fail, regexp.MustCompile(`Kernel panic - not syncing`)},
	{"BootLoaderStuck", "the boot loader waits for somebody", Fail, regexp.MustCompile(`grub rescue>|error: no such partition|No bootable device|BootManagerMenuApp`)},
	{"RootNotFound", "the boot disk was not found", Fail, regexp.MustCompile(`dracut-initqueue.*timeout|Could not boot\.|VFS: Unable to mount root fs|Entering emergency mode`)},
	{"EmergencyMode", "the system came up in emergency mode", Fail, regexp.MustCompile(`You are in (emergency|rescue) mode|Give root password for maintenance`)},
	{"FileSystemDamaged", "a file system was damaged", Fail, regexp.MustCompile(`(?i)EXT4-fs error|XFS.*(corruption|Shutting down filesystem)|Remounting filesystem read-only`)},
	{"KubeletNotStarted", "the kubelet was not started", Fail, regexp.MustCompile(`(?i)Failed to start .*kubelet|kubelet\.service: (Failed with result|Start request repeated too quickly)`)},
	{"FirstBootFailed", "a script of the first boot failed", Warn, regexp.MustCompile(`(?i)oke-init.*(error|fail)|cloud-init\[\d+\]:.*(Failed|ERROR|Traceback)|Failed to start .*(cloud-init|Cloud-init|oke)`)},
	{"OutOfMemory", "the host ran out of memory", Warn, regexp.MustCompile(`Out of memory: Kill`)},
	{"DiskErrors", "a disk answered with errors", Warn, regexp.MustCompile(`I/O error, dev |Buffer I/O error on dev|nvme\d+: .*timeout`)},
	{"CPUStuck", "a CPU or a task was stuck", Warn, regexp.MustCompile(`soft lockup - CPU|hard LOCKUP|blocked for more than \d+ seconds|rcu.* self-detected stall`)},
	{"NetworkFailed", "the network did not come up", Warn, regexp.MustCompile(`(?i)Failed to start .*(Network|NetworkManager-wait-online)|no DHCPOFFERS received`)},
}

// bootMark begins each boot on the console.
var bootMark = []byte("Linux version ")

// console reads what the machine itself had to say, which is the only witness of
// one that answers nobody.
var console = Check{
	ID:       "console",
	Title:    "the machine's console tells of no trouble",
	Evidence: EvidenceLog,
	Limits:   Limits{Source: "what stands on the serial console since the last boot; asked for with --console"},
	Remedy:   "read it: tidemill doctor NODE --console --bundle DIR keeps it",
	Action:   ActionNone,
	Leaving:  true,
	Run: func(_ context.Context, p Patient) Finding {
		c, asked := p.Look.Consoles[p.Name()]
		switch {
		case !asked:
			return skip(ReasonNotAsked, "the console is not read without --console")
		case errors.Is(c.Err, cloudprovider.ErrNotSupported):
			return skip(ReasonNotApplicable, "the cloud has no consoles")
		case errors.Is(c.Err, cloudprovider.ErrUnauthorized) || errors.Is(c.Err, cloudprovider.ErrNotFound):
			return unknown(ReasonNotPermitted, c.Err.Error())
		case c.Err != nil:
			return unknown(ReasonCloudUnreachable, c.Err.Error())
		}
		return judgeConsole(c.Text)
	},
}

func judgeConsole(text []byte) Finding {
	boots := bytes.Count(text, bootMark)
	if i := bytes.LastIndex(text, bootMark); i > 0 {
		text = text[i:]
	}
	lines := consoleLines(text)
	if len(lines) == 0 {
		return unknown("NothingWritten", "the console is empty: the machine has not begun to boot, or its image writes none (console=ttyS0)")
	}
	for _, sign := range consoleSigns {
		for _, line := range lines {
			if sign.line.MatchString(line) {
				return Finding{State: sign.state, Reason: sign.reason, Message: sign.says + ": " + line}
			}
		}
	}
	last := lines[len(lines)-1]
	f := pass(fmt.Sprintf("%d lines since the last boot, %d boots seen", len(lines), max(boots, 1)))
	if !strings.Contains(last, "login:") {
		f.State, f.Reason, f.Message = Info, "NoLoginPrompt", "it has not come to a login prompt; the last line is: "+last
	}
	return f
}

// ConsoleTail is the end of a console, at most so many lines that say something.
func ConsoleTail(text []byte, most int) []string {
	lines := consoleLines(text)
	return lines[max(len(lines)-most, 0):]
}

// consoleLines are the lines that say something, without colours and without what
// a carriage return has overwritten; very long ones are cut.
func consoleLines(text []byte) []string {
	const longest = 512
	var out []string
	for raw := range bytes.Lines(text) {
		raw = bytes.TrimRight(raw, "\r\n")
		if i := bytes.LastIndexByte(raw, '\r'); i >= 0 {
			raw = raw[i+1:]
		}
		line := escapes.ReplaceAllString(string(raw[:min(len(raw), longest)]), "")
		line = strings.TrimFunc(strings.ToValidUTF8(line, ""), func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
		if line != "" {
			out = append(out, line)
		}
	}
	return out
}
