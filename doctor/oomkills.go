package doctor

import "context"

var oomCounter = counter{id: "oom-kills", reason: "OOMKills", what: "OOM kills",
	limits: Limits{Warn: 5,
		Source: "since the last run. The counter has kills by a container's own limit in it, which are the pod's fault: it never fails"}}

var oomKills = Check{
	ID:     oomCounter.id,
	Title:  "the kernel kills nothing for memory",
	Unit:   "kills",
	Limits: oomCounter.limits,
	// The counter and not the log: the message's text changed with the kernel,
	// and monitors that looked for the old one saw no kill for years.
	Evidence: EvidenceCounter,
	Remedy:   "kubectl get events --field-selector reason=OOMKilling names the victims; raise their limits or find the leak",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		vm, err := p.Host.fields("proc/vmstat")
		if err != nil {
			return unreadable("proc/vmstat", err)
		}
		kills, ok := vm["oom_kill"]
		if !ok {
			return unknown(ReasonNotFound, "proc/vmstat has no oom_kill: the kernel is older than 4.13, or the file is cut short")
		}
		return oomCounter.judge(p.Host, map[string]uint64{"kernel": kills})
	},
}
