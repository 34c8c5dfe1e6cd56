package doctor

import (
	"context"
	"fmt"
	"strings"
)

var loadLimits = Limits{Warn: 4,
	Source: "tasks that run or wait over 15 minutes, per CPU. Load is no fault by itself; at 1 a node is merely used, at several the kubelet's probes begin to time out"}

var load = Check{
	ID:       "load",
	Title:    "the CPUs keep up",
	Unit:     "per CPU",
	Limits:   loadLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find what runs (top) or waits for the disk (ps -eo stat,cmd | grep ^D); give the pods CPU limits",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		text, err := p.Host.line("proc/loadavg")
		if err != nil {
			return unreadable("proc/loadavg", err)
		}
		var one, five, fifteen float64
		if _, err := fmt.Sscan(text, &one, &five, &fifteen); err != nil || !(fifteen >= 0) {
			return unreadable("proc/loadavg", orGarbage(err))
		}
		cpus, err := p.Host.cpus()
		if err != nil {
			return unreadable("proc/stat", err)
		}
		per := fifteen / float64(cpus)
		f := Finding{State: judge(loadLimits, per), Observed: fmt.Sprintf("%.2f per CPU (%.1f on %d)", per, fifteen, cpus)}
		if f.State != Pass {
			f.Reason, f.Message = "LoadHigh", fmt.Sprintf("load of 15 minutes is %.1f on %d CPUs", fifteen, cpus)
		}
		return f
	},
}

// cpus counts the CPUs that are online.
func (h *Host) cpus() (int, error) {
	data, err := h.read("proc/stat")
	if err != nil {
		return 0, err
	}
	n := 0
	for _, line := range strings.Split(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, "cpu"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			n++
		}
	}
	if n == 0 {
		return 0, orGarbage(nil)
	}
	return n, nil
}
