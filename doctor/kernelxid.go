package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

// xidFatal are the errors after which the GPU or its host needs a reset or an
// exchange, by NVIDIA's catalogue of Xid errors; most others are a program's.
var xidFatal = map[int]string{
	48: "double-bit ECC error", 62: "microcontroller halted", 63: "page retirement failed", 64: "row remapper failed", 74: "NVLink error",
	79: "the GPU fell off the bus", 92: "high rate of single-bit ECC errors", 94: "contained ECC error", 95: "uncontained ECC error",
	119: "GSP does not answer", 120: "GSP error", 140: "unrecovered ECC error", 143: "GPU does not initialise",
}

var xidLine = regexp.MustCompile(`^NVRM: (?:GPU at PCI:\S+ )?Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)`)

var kernelXid = Check{
	ID: "kernel-xid", Title: "the GPUs report no errors", Unit: "errors", Evidence: EvidenceLog,
	Limits: Limits{Fail: 1, Source: logSource + "; NVIDIA's catalogue says which of the Xid numbers are the hardware's, the rest are info"},
	Remedy: "drain and reboot the node once; when it comes back, report the host. On bare metal OKE repairs GPU hosts itself",
	Action: ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		lines, err := p.Host.recent()
		if err != nil {
			return unreadable("the kernel's log", err)
		}
		return judgeXid(p, lines)
	},
}

func judgeXid(p Patient, lines []KernelLine) Finding {
	f := Finding{State: Pass}
	fatal, all := 0, 0
	for _, l := range lines {
		m := xidLine.FindStringSubmatch(l.Text)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			continue // more digits than a number has
		}
		all++
		why := xidFatal[n]
		if why != "" {
			fatal++
			f.State, f.Reason, f.Since = Fail, "Xid"+m[2], p.logged(l)
			f.Message = fmt.Sprintf("GPU %s: Xid %d, %s, last%s", m[1], n, why, l.stamp())
		} else if fatal == 0 {
			f.State, f.Reason, f.Message = Info, "Xid"+m[2], fmt.Sprintf("GPU %s: Xid %d, last%s: seldom the hardware's fault", m[1], n, l.stamp())
		}
	}
	f.Observed = fmt.Sprintf("%d fatal of %d in the last hour", fatal, all)
	return f
}
