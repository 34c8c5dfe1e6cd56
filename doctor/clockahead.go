package doctor

import (
	"context"
	"time"
)

var aheadLimits = Limits{Warn: 5,
	Source: "how far the node's own time on its lease lies in our future; tokens that are not valid yet are refused after some seconds"}

var clockAhead = Check{
	ID:       "clock-ahead",
	Title:    "the node's clock is not ahead",
	Unit:     "s",
	Limits:   aheadLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromLeases},
	Remedy:   "check chrony on the node; if all nodes are ahead, the clock of this machine is behind",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		if p.Look.LeasesErr != nil {
			return unknown(ReasonNotPermitted, "the leases could not be read")
		}
		at := p.Look.Leases[p.Node.Object.Name]
		if at.IsZero() {
			return skip(ReasonNotApplicable, "the node has no lease; the check lease tells")
		}
		// Behind looks the same as a lease that was not renewed for a while.
		ahead := at.Sub(p.Now)
		f := Finding{State: judge(aheadLimits, ahead.Seconds()), Observed: max(0, ahead).Round(time.Second).String()}
		if f.State != Pass {
			f.Reason, f.Message = "ClockAhead", "the node renews its lease with a time that has not come yet"
		}
		return f
	},
}
