package doctor

import (
	"context"
	"errors"
	"io/fs"
)

var hungCounter = counter{id: "hung-tasks", reason: "TasksHung", what: "tasks blocked for longer than the kernel's limit",
	limits: Limits{Warn: 1, Fail: 3,
		Source: "since the last run; the kernel counts a task after two minutes without progress (kernel.hung_task_timeout_secs)"}}

var hungTasks = Check{
	ID:       hungCounter.id,
	Title:    "no task hangs in the kernel",
	Unit:     "tasks",
	Limits:   hungCounter.limits,
	Evidence: EvidenceCounter,
	Remedy:   "dmesg has the stack of each: nearly always a disk, a file server or a driver that does not answer; reboot the node when it goes on",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		n, err := p.Host.number("proc/sys/kernel/hung_task_detect_count")
		if errors.Is(err, fs.ErrNotExist) {
			return skip(ReasonNotApplicable, "kernels before 6.13 do not count hung tasks; see the check uninterruptible")
		}
		if err != nil {
			return unreadable("kernel.hung_task_detect_count", err)
		}
		return hungCounter.judge(p.Host, map[string]uint64{"kernel": n})
	},
}
