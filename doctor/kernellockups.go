package doctor

import "regexp"

var kernelLockups = kernelSign{
	id: "kernel-lockups", title: "no CPU is stuck in the kernel", reason: "Lockup",
	limits:   Limits{Warn: 1, Fail: 5, Source: logSource + "; a lone stall may be the hypervisor's, which migrates"},
	remedy:   "the trace after the line names the function; a driver or a kernel bug: reboot the node, and update its image",
	literals: []string{"lockup", "LOCKUP", "BUG: ", "Oops", "rcu", "divide error", "general protection"},
	line: regexp.MustCompile(`watchdog: BUG: soft lockup - CPU#\d+ stuck|Watchdog detected hard LOCKUP|BUG: (unable to handle|kernel NULL pointer)|` +
		`kernel BUG at |Oops: [0-9a-f]{4}|rcu: INFO: rcu_\w+ (self-)?detected (expedited )?stalls?|rcu: INFO: rcu_\w+ self-detected stall|divide error: |general protection fault`),
}.check()

// kernelHung is for kernels that do not count hung tasks (before 6.13).
var kernelHung = kernelSign{
	id: "kernel-hung", title: "the kernel reports no task that hangs", reason: "TaskBlocked",
	limits:   Limits{Warn: 1, Fail: 10, Source: logSource + "; the kernel stops to report after ten (kernel.hung_task_warnings)"},
	remedy:   "the trace after the line tells what it waits for: nearly always a disk, a file server or a driver",
	literals: []string{"blocked for more than"},
	line:     regexp.MustCompile(`INFO: task \S.*:\d+ blocked for more than \d+ seconds`),
}.check()
