package doctor

import (
	"context"
	"fmt"
	"strings"
)

// taints are the bits of kernel.tainted that say that something went wrong, by
// their number in the kernel's documentation (admin-guide/tainted-kernels). The
// others tell which modules are loaded: every GPU driver sets some.
var taints = []struct {
	bit   uint
	state State
	text  string
}{
	{7, Fail, "the kernel has died once (oops or BUG)"},
	{14, Fail, "a CPU was locked up"},
	{4, Warn, "a machine check was seen: the hardware"},
	{5, Warn, "a page of memory was in a bad state"},
	{9, Warn, "the kernel has warned of itself"},
}

var kernelTaint = Check{
	ID:       "kernel-taint",
	Title:    "the kernel trusts itself",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "kernel.tainted: bits D and L fail, M, B and W warn; a reboot clears them"},
	Remedy:   "dmesg has the trace; reboot the node, and report a trace that comes back to the image's maker",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		v, err := p.Host.number("proc/sys/kernel/tainted")
		if err != nil {
			return unreadable("kernel.tainted", err)
		}
		f := pass(fmt.Sprint(v))
		var what []string
		for _, t := range taints {
			if v&(1<<t.bit) != 0 {
				f.State = max(f.State, t.state)
				what = append(what, t.text)
			}
		}
		if len(what) > 0 {
			f.Reason, f.Message = "KernelTainted", strings.Join(what, "; ")
		}
		return f
	},
}
