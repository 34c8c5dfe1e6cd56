package doctor

import (
	"context"
	"fmt"
)

var memoryLimits = Limits{Warn: 90, Fail: 97,
	Source: "what the kernel could not give to a new program without swapping (MemAvailable); the kubelet evicts below 100 MiB"}

var memory = Check{
	ID:       "memory",
	Title:    "there is memory left",
	Unit:     "%",
	Limits:   memoryLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find what holds the memory (kubectl top pods; ps --sort -rss); reserve more for the system (kube-reserved), or set requests that are true",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		info, err := p.Host.fields("proc/meminfo")
		if err != nil {
			return unreadable("proc/meminfo", err)
		}
		total, free := info["MemTotal"], info["MemAvailable"]
		_, known := info["MemAvailable"]
		if total == 0 || !known || free > total {
			return unreadable("proc/meminfo", orGarbage(nil))
		}
		percent := float64(total-free) * 100 / float64(total)
		f := Finding{State: judge(memoryLimits, percent), Observed: fmt.Sprintf("%.0f%% of %d MiB", percent, total/1024)}
		if f.State != Pass {
			f.Reason, f.Message = "MemoryNearFull", fmt.Sprintf("%d of %d MiB are left", free/1024, total/1024)
		}
		return f
	},
}

var swapLimits = Limits{Warn: 50, Source: "half of it used means that memory ran out before; the kubelet wants none unless told otherwise (failSwapOn)"}

var swap = Check{
	ID:       "swap",
	Title:    "the host does not live on swap",
	Unit:     "%",
	Limits:   swapLimits,
	Evidence: EvidenceLevel,
	Remedy:   "swapoff -a and take swap out of /etc/fstab, or configure the kubelet's memorySwap on purpose",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		info, err := p.Host.fields("proc/meminfo")
		if err != nil {
			return unreadable("proc/meminfo", err)
		}
		total, known := info["SwapTotal"]
		free := info["SwapFree"]
		switch {
		case !known || free > total:
			return unreadable("proc/meminfo", orGarbage(nil))
		case total == 0:
			return pass("no swap")
		}
		percent := float64(total-free) * 100 / float64(total)
		f := Finding{State: judge(swapLimits, percent), Reason: "SwapUsed", Observed: fmt.Sprintf("%.0f%% of %d MiB", percent, total/1024),
			Message: fmt.Sprintf("%d of %d MiB of swap are used", (total-free)/1024, total/1024)}
		if f.State == Pass {
			f.State, f.Reason = Info, "SwapOn"
		}
		return f
	},
}
