package cycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// The ladder: what a run tries when the cloud has no room for its surge nodes,
// in this order. Rungs that would change nothing are left out, those below the
// line need the user's leave. Where a run stands is recorded, so that a new
// process does not begin at the top.
//
//	N surge nodes ─► half ─► one ─► one in each zone ─► │ one node unavailable ─► new boot volumes │ ─► wait
//	      ▲                                                                                             │
//	      └──────────── a rung up after ten quiet minutes, a try from the wait every 2 to 10 ◄──────────┘
const (
	rungTop         = ""
	rungHalf        = "Half"
	rungOne         = "One"
	rungEachZone    = "EachZone"
	rungUnavailable = "Unavailable"
	rungBootVolume  = "BootVolume"
	rungWaiting     = "Waiting"
)

// rungs are those that mean something for a budget, top first.
func rungs(b Budget, spec *v1alpha1.CycleSpec) []string {
	list := []string{rungTop}
	if b.Surge > 2 {
		list = append(list, rungHalf)
	}
	if b.Surge > 1 {
		list = append(list, rungOne)
	}
	if b.Surge > 1 && b.Zones > 1 {
		// The caller cannot choose where a machine lands; to ask for as many as
		// there are zones makes the cloud try each.
		list = append(list, rungEachZone)
	}
	if f := spec.GetFallback(); f.Unavailable && b.Unavailable == 0 {
		list = append(list, rungUnavailable)
	}
	if spec.GetFallback().BootVolume {
		list = append(list, rungBootVolume)
	}
	return append(list, rungWaiting)
}

// rungs are those of a run. Blue-green is all new nodes or none: fewer of them would
// hold every cordon for ever, and a boot volume is no new node.
func (d *decision) rungs(run *v1alpha1.CycleStatus) []string {
	if strategyOf(nil, run) == v1alpha1.StrategyBlueGreen {
		return []string{rungTop, rungWaiting}
	}
	return rungs(d.full(run), d.pool.CycleSpec())
}

// stand takes a run off a rung that is none any more: the leave for it was withdrawn, or
// the budget is another one now.
func (d *decision) stand(run *v1alpha1.CycleStatus) {
	if !slices.Contains(d.rungs(run), run.Rung) {
		run.Rung, run.RungAt = rungWaiting, timestamp(d.s.Now)
	}
}

// On is the budget on a rung.
func (b Budget) On(rung string) Budget {
	switch rung {
	case rungHalf:
		b.Surge = (b.Surge + 1) / 2
	case rungOne, rungWaiting:
		b.Surge = min(b.Surge, 1)
	case rungEachZone:
		b.Surge = min(b.Surge, max(b.Zones, 1))
	case rungUnavailable, rungBootVolume:
		b.Surge, b.Unavailable = 0, max(b.Unavailable, 1)
	}
	return b
}

// down goes one rung down, and says until when not to ask the cloud.
func (d *decision) down(run *v1alpha1.CycleStatus, why string) {
	list := d.rungs(run)
	at := max(slices.Index(list, run.Rung), 0)
	next := list[min(at+1, len(list)-1)]
	if _, vain := d.inVain(run); vain && next == rungBootVolume {
		next = rungWaiting
	}
	wait := min(d.policy.SurgeRetryMin<<min(run.SurgeFailures, 10), d.policy.SurgeRetryMax)
	if next != rungWaiting {
		wait = d.policy.SurgeRetryMin / 4 // a smaller question may be asked soon
	} else {
		run.SurgeFailures++
	}
	until := d.s.Now.Add(wait).UTC().Truncate(time.Second)
	run.SurgeRetryAt = timestamp(until)
	if run.Rung != next {
		run.RungAt = timestamp(d.s.Now)
	}
	run.Rung = next
	d.do(Step{Kind: BackOff, Until: &until, Rung: next, Reason: InsufficientCapacity, Message: why})
}

// up goes one rung up after ten minutes without a failure. The rungs that need
// leave are kept for the rest of the run: what frees room there is the run
// itself.
func (d *decision) up(run *v1alpha1.CycleStatus) {
	if run.Rung == rungTop || run.Rung == rungUnavailable || run.Rung == rungBootVolume {
		return
	}
	if run.RungAt != nil && d.s.Now.Sub(run.RungAt.Time) < d.policy.SurgeRetryMax {
		return
	}
	list := slices.DeleteFunc(d.rungs(run), func(r string) bool { return r == rungUnavailable || r == rungBootVolume })
	at := slices.Index(list, run.Rung)
	run.Rung = list[max(at-1, 0)]
	run.RungAt = timestamp(d.s.Now)
	if run.Rung == rungTop {
		run.RungAt = nil
	}
}

// takeBack gives up entries that the cloud had no room for, and goes down the
// ladder.
func (d *decision) takeBack(run *v1alpha1.CycleStatus) {
	failed, why := 0, d.refusal(Surge)
	refused := why != ""
	for _, n := range d.pool.Nodes {
		if n.Instance != nil && n.Instance.State == cloudprovider.Failed {
			failed++
			if f := n.Instance.Fault; f != nil && why == "" {
				why = fmt.Sprintf("%s: %s", f.Class, f.Message)
			}
		}
	}
	retrying := d.retrying(run)
	if (failed > 0 || refused) && !retrying {
		d.down(run, why)
		retrying = true
	}
	if failed > 0 {
		size := d.pool.Cloud.Size
		d.do(Step{Kind: TakeBack, From: size, To: max(size-failed, 0), Reason: InsufficientCapacity, Message: why})
	}
	if retrying && run.Rung != rungUnavailable && run.Rung != rungBootVolume {
		d.wait(InsufficientCapacity, fmt.Sprintf("the cloud had no room for new nodes; the next try is at %s%s", clock(&run.SurgeRetryAt.Time), because(why)))
	}
}

func (d *decision) retrying(run *v1alpha1.CycleStatus) bool {
	return run.SurgeRetryAt != nil && d.s.Now.Before(run.SurgeRetryAt.Time)
}

func (d *decision) failedEntries() int {
	count := 0
	for _, n := range d.pool.Nodes {
		if n.Instance != nil && n.Instance.State == cloudprovider.Failed {
			count++
		}
	}
	return count
}
