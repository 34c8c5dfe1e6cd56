package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

var conntrackLimits = Limits{Warn: 80, Fail: 95,
	Source: "node-problem-detector and Huawei CCE warn from 80 to 90 %; at 100 % the kernel drops new connections"}

var conntrack = Check{
	ID:       "conntrack",
	Title:    "the connection table has room",
	Unit:     "%",
	Limits:   conntrackLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find who opens so many connections (conntrack -L), or raise net.netfilter.nf_conntrack_max",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		used, err := conntrackEntries(p.Host)
		if errors.Is(err, fs.ErrNotExist) {
			return skip(ReasonNotApplicable, "the host does not track connections")
		}
		if err != nil {
			return unreadable("the connection table's size", err)
		}
		limit, err := p.Host.Proc.SysctlInts("net.netfilter.nf_conntrack_max")
		if err != nil || len(limit) == 0 || limit[0] <= 0 {
			return unreadable("net.netfilter.nf_conntrack_max", orGarbage(err))
		}
		percent := float64(used) * 100 / float64(limit[0])
		f := Finding{State: judge(conntrackLimits, percent), Observed: fmt.Sprintf("%.0f%% (%d of %d)", percent, used, limit[0])}
		if f.State != Pass {
			f.Reason, f.Message = "ConntrackNearFull", fmt.Sprintf("%d of %d connections tracked", used, limit[0])
		}
		return f
	},
}

// conntrackEntries counts the host's connections. /proc/sys/net shows the
// reader's own network namespace, so a pod would count its own connections;
// the first process' view is the host's from anywhere. Kernels built without
// that file leave the sysctl, which is right with hostNetwork.
func conntrackEntries(h *Host) (int, error) {
	stat, err := h.Init.ConntrackStat()
	if err == nil && len(stat) > 0 {
		return int(stat[0].Entries), nil // the same total on the line of each CPU
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	count, err := h.Proc.SysctlInts("net.netfilter.nf_conntrack_count")
	if err != nil {
		return 0, err
	}
	if len(count) == 0 {
		return 0, orGarbage(nil)
	}
	return count[0], nil
}

// orGarbage is err, or the complaint that the file has no such value.
func orGarbage(err error) error {
	if err != nil {
		return err
	}
	return errors.New("no usable value in it")
}
