package doctor

import (
	"context"
	"fmt"
	"time"
)

var leaseLimits = Limits{Warn: 20, Fail: 40,
	Source: "the kubelet renews every 10 s and asks for 40 s (nodeLeaseDurationSeconds)"}

var lease = Check{
	ID:       "lease",
	Title:    "the kubelet renews its lease",
	Unit:     "s",
	Limits:   leaseLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromLeases},
	Remedy:   "look whether the machine runs and reaches the control plane",
	Action:   ActionReplace,
	// Two looks of the usual interval: one late list is no evidence.
	Confirm: 30 * time.Second,
	Applies: registered,
	Run: func(_ context.Context, p Patient) Finding {
		name := p.Node.Object.Name
		if err := p.Look.LeasesErr; err != nil {
			return unreadable("leases", err)
		}
		renewed, ok := p.Look.Leases[name]
		switch {
		case !ok && p.Joining():
			return unknown(ReasonJoining, "the kubelet has no lease yet")
		case !ok:
			return unknown(ReasonNotFound, "there is no lease of this name in kube-node-lease")
		}
		age, first := p.leaseAge(renewed)
		state := judge(leaseLimits, age.Seconds())
		if first && state != Pass {
			// The time in the lease is the node's clock. Whether the node is dead or
			// its clock is wrong shows once the lease is, or is not, renewed.
			return unknown("NotWatchedYet", "the lease says "+clock(renewed)+" and has not been watched long enough to judge the node's clock")
		}
		f := Finding{State: state, Observed: quantity(float64(int(age.Seconds())), "s")}
		if state != Pass {
			f.Reason, f.Since = "LeaseStale", renewed
			if own := p.Now.Add(-age); own.Before(renewed) {
				f.Since = own // a clock that is ahead must not put the failure off
			}
			f.Message = fmt.Sprintf("the lease was last renewed at %s", clock(renewed))
		}
		return f
	},
}

// leaseAge is how long ago the lease was renewed: by our own clock when earlier
// looks have seen it change, else by the node's, and then first is set if a
// daemon is watching and will know better.
func (p Patient) leaseAge(renewed time.Time) (age time.Duration, first bool) {
	s, watched := p.Look.History.of(p.Node.Object.UID)
	if !watched || !s.renewed.Equal(renewed) {
		return max(p.Now.Sub(renewed), 0), false
	}
	own := p.Now.Sub(s.seen)
	if s.first && judge(leaseLimits, own.Seconds()) != Fail {
		return max(p.Now.Sub(renewed), own), true
	}
	return own, false
}
