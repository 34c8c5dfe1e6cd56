package doctor

import (
	"context"
	"errors"
	"io/fs"
)

var conntrackCounter = counter{id: "conntrack-drops", reason: "ConnectionsDropped", what: "packets dropped for want of an entry",
	limits: Limits{Warn: 1, Fail: 1000, Source: "drop and early_drop of all CPUs, since the last run: a connection was refused or thrown out"}}

var conntrackDrops = Check{
	ID:       conntrackCounter.id,
	Title:    "no connection is dropped by connection tracking",
	Unit:     "packets",
	Limits:   conntrackCounter.limits,
	Evidence: EvidenceCounter,
	Remedy:   "raise net.netfilter.nf_conntrack_max, and find who opens so many connections (conntrack -L)",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		stat, err := p.Host.Init.ConntrackStat()
		if errors.Is(err, fs.ErrNotExist) {
			return skip(ReasonNotApplicable, "the kernel has no counters of connection tracking")
		}
		if err != nil || len(stat) == 0 {
			return unreadable("proc/1/net/stat/nf_conntrack", orGarbage(err))
		}
		var drops uint64
		for _, cpu := range stat {
			drops += cpu.Drop + cpu.EarlyDrop
		}
		return conntrackCounter.judge(p.Host, map[string]uint64{"kernel": drops})
	},
}
