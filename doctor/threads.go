package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

var threadLimits = Limits{Warn: 70, Fail: 90,
	Source: "of min(kernel.pid_max, kernel.threads-max): whichever is reached first stops fork"}

var threads = Check{
	ID:       "threads",
	Title:    "new processes and threads can start",
	Unit:     "%",
	Limits:   threadLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find the process that leaks threads (ps -eLf), or set a pod PID limit (podPidsLimit) so that one pod cannot take the node",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		// Every thread takes a process ID: processes would be the wrong count, and
		// the larger of the two limits is never reached.
		used, err := countThreads(p.Host)
		if err != nil {
			return unreadable("proc/loadavg", err)
		}
		limit, name := 0, ""
		for _, key := range []string{"kernel.pid_max", "kernel.threads-max"} {
			v, err := p.Host.Proc.SysctlInts(key)
			if err != nil || len(v) == 0 || v[0] <= 0 {
				return unreadable(key, orGarbage(err))
			}
			if limit == 0 || v[0] < limit {
				limit, name = v[0], key
			}
		}
		percent := float64(used) * 100 / float64(limit)
		f := Finding{State: judge(threadLimits, percent), Observed: fmt.Sprintf("%.0f%% (%d of %s %d)", percent, used, name, limit)}
		if f.State != Pass {
			f.Reason, f.Message = "ThreadsNearLimit", fmt.Sprintf("%d threads of at most %d (%s)", used, limit, name)
		}
		return f
	},
}

// countThreads reads the kernel's own count: the fourth field of loadavg is
// "running/all". Walking /proc would miss what comes and goes, and see only the
// processes of this PID namespace.
func countThreads(h *Host) (int, error) {
	text, err := h.line("proc/loadavg")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(text)
	if len(fields) < 4 {
		return 0, fmt.Errorf("parse %q: too few fields", text)
	}
	_, all, ok := strings.Cut(fields[3], "/")
	if !ok {
		return 0, fmt.Errorf("parse %q: no running/all in it", text)
	}
	return strconv.Atoi(all)
}
