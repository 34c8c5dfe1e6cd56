package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/prometheus/procfs"
)

var (
	stallLimits = Limits{Warn: 10, Fail: 40,
		Source: "share of the last minute in which every task waited (PSI full avg60); systemd-oomd begins to kill at 60 % over 30 s"}
	// Some task waits for a CPU on every busy host, and that is no fault of it.
	cpuStallLimits = Limits{Warn: 80,
		Source: "share of the last five minutes in which some task waited for a CPU (PSI some avg300)"}
)

var stallCPU = stall("cpu", cpuStallLimits, "CPUStalled",
	"find the pods with the most CPU (kubectl top pods) and give them limits, or spread them; the node is asked for more than it has",
	func(s procfs.PSIStats) *float64 { return average(s.Some, 300) })

var stallMemory = stall("memory", stallLimits, "MemoryStalled",
	"tasks wait for pages to be reclaimed: set memory requests that are true, or take a larger shape",
	func(s procfs.PSIStats) *float64 { return average(s.Full, 60) })

var stallIO = stall("io", stallLimits, "IOStalled",
	"tasks wait for the disk: raise the boot volume's performance (VPUs), and find who writes so much (iotop, image pulls, logs)",
	func(s procfs.PSIStats) *float64 { return average(s.Full, 60) })

// stall is a check on the kernel's own account of time lost by waiting.
func stall(resource string, limits Limits, reason, remedy string, pick func(procfs.PSIStats) *float64) Check {
	return Check{
		ID:       "stall-" + resource,
		Title:    "tasks do not wait for " + resource,
		Unit:     "%",
		Limits:   limits,
		Evidence: EvidenceLevel,
		Remedy:   remedy,
		Action:   ActionNone,
		Run: func(_ context.Context, p Patient) Finding {
			stats, err := p.Host.Proc.PSIStatsForResource(resource)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOTSUP):
				return skip(ReasonNotApplicable, "the kernel does not account for stalls (boot with psi=1)")
			case err != nil:
				return unreadable("proc/pressure/"+resource, err)
			}
			v := pick(stats)
			if v == nil || *v < 0 || *v > 100 {
				return unreadable("proc/pressure/"+resource, orGarbage(nil))
			}
			f := Finding{State: judge(limits, *v), Observed: fmt.Sprintf("%.1f%%", *v)}
			if f.State != Pass {
				f.Reason, f.Message = reason, fmt.Sprintf("tasks waited for %s in %.1f%% of the time", resource, *v)
			}
			return f
		},
	}
}

func average(line *procfs.PSILine, seconds int) *float64 {
	switch {
	case line == nil:
		return nil
	case seconds == 300:
		return &line.Avg300
	}
	return &line.Avg60
}
