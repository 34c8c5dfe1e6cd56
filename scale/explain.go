package scale

import (
	"github.com/tidemill/tidemill/scale/fit"
)

// explain gives each pod that nothing helps a reason from each pool: a new node
// would not do, or it would and may not be had.
func (d *decision) explain(pods []*waiting) {
	if len(pods) == 0 {
		return
	}
	answers := make([][]PoolReason, len(pods))
	for _, p := range d.pools {
		d.ask(p, pods, func(i int, r PoolReason) { answers[i] = append(answers[i], r) })
	}
	for i, w := range pods {
		d.refuse(w.pod, sum(answers[i]), "", answers[i]...)
	}
}

// ask tries the pods on an empty new node of the pool in each of its zones.
func (d *decision) ask(p *pool, pods []*waiting, answer func(int, PoolReason)) {
	if p.reason == ScaleOff || len(p.Cloud.Placements) == 0 {
		for i := range pods {
			answer(i, PoolReason{p.Name, p.reason, p.message})
		}
		return
	}
	d.sim.Fork()
	defer d.sim.Revert()
	var names []string
	for _, zone := range p.Cloud.Zones() {
		names = append(names, d.addNew(p, p.template(zone), ""))
	}
	for i, w := range pods {
		why, fits := d.fitsAny(w, names)
		switch {
		case !fits:
			answer(i, PoolReason{p.Name, DoesNotFit, why.String()})
		case p.reason != "":
			answer(i, PoolReason{p.Name, p.reason, p.message})
		case p.room() == 0:
			why, message := p.full()
			answer(i, PoolReason{p.Name, why, message})
		default:
			answer(i, PoolReason{p.Name, NextLook, "it fits a node of its own, but not with what else was decided"})
		}
	}
}

func (d *decision) fitsAny(w *waiting, names []string) (why fit.Reason, ok bool) {
	for i, name := range names {
		r, ok := d.sim.Fits(w.pod, name)
		if ok {
			return fit.Reason{}, true
		}
		if i == 0 {
			why = r
		}
	}
	return why, false
}

// sum is the one reason that stands for all: that of the first pool that would
// do, since it is what a person can change.
func sum(pools []PoolReason) Reason {
	overall := NoPool
	for _, p := range pools {
		switch p.Reason {
		case ScaleOff:
		case DoesNotFit:
			overall = NoPoolFits
		default:
			return p.Reason
		}
	}
	return overall
}
