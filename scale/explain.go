package scale

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/fit"
)

// explain gives each pod that nothing helps a reason from each pool: a new node
// would not do, or it would and may not be had. Like pods share their reasons.
func (d *decision) explain(pods []*waiting) {
	var runs [][]*waiting
	for len(pods) > 0 {
		n := d.run(pods)
		runs = append(runs, pods[:n])
		pods = pods[n:]
	}
	if len(runs) == 0 {
		return
	}
	answers := make([][]PoolReason, len(runs))
	for _, p := range d.pools {
		d.ask(p, runs, func(i int, r PoolReason) { answers[i] = append(answers[i], r) })
	}
	for i, run := range runs {
		for _, w := range run {
			d.refuse(w.pod, sum(answers[i]), "", answers[i]...)
		}
	}
}

// ask tries a pod of each run on an empty new node of the pool in each of its
// zones.
func (d *decision) ask(p *pool, runs [][]*waiting, answer func(int, PoolReason)) {
	if p.reason == ScaleOff || len(p.Cloud.Placements) == 0 {
		for i := range runs {
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
	full, message := Reason(""), ""
	if p.room() == 0 {
		full, message = p.full()
	}
	for i, run := range runs {
		why, fits := d.fitsAny(run[0], names)
		switch {
		case !fits && why.OfDevices():
			answer(i, d.noDevices(p, run[0].pod, names[0], why))
		case !fits:
			answer(i, PoolReason{p.Name, DoesNotFit, d.say(why)})
		case p.reason != "":
			answer(i, PoolReason{p.Name, p.reason, p.message})
		case full != "":
			answer(i, PoolReason{p.Name, full, message})
		default:
			answer(i, d.nextTime(p, run[0], names))
		}
	}
}

// nextTime is why a pod that a new node would take gets none now. Where it can run in some
// zones of the pool only, the cloud chooses the zone, and others may have their turn before;
// else it is what other pods have got. The names are of a new node in each zone.
func (d *decision) nextTime(p *pool, w *waiting, names []string) PoolReason {
	var suited []cloudprovider.Zone
	for i, zone := range p.places {
		if _, ok := d.sim.Fits(w.pod, names[i]); ok {
			suited = append(suited, zone)
		}
	}
	before := p.before(suited)
	if len(suited) == len(p.places) || before < min(p.room(), p.spares()) {
		return PoolReason{p.Name, NextLook, "it fits a node of its own, but not with what else was decided"}
	}
	return PoolReason{p.Name, ZoneNotNext, fmt.Sprintf("it can run in %s only, and the cloud would make %s in other zones before; room is for %s, and no more than %d are made for the zone alone",
		listed(suited), count(before, "node"), count(p.room(), "node"), p.spares())}
}

// listed is zones in words.
func listed(zones []cloudprovider.Zone) string {
	names := make([]string, len(zones))
	for i, z := range zones {
		names[i] = string(z)
	}
	return strings.Join(names, ", ")
}

// noDevices is why the devices of a new node of the pool, of which this is one,
// will not do for the pod.
func (d *decision) noDevices(p *pool, pod *corev1.Pod, node string, why fit.Reason) PoolReason {
	lacks := d.sim.Lacks(pod, node)
	switch {
	case lacks == "": // the plugin's own words say more
	case len(p.Slices) == 0 && !p.shown():
		return PoolReason{p.Name, DevicesUnknown, "no node of the pool has shown yet which devices a new one will have"}
	default:
		why.Message = lacks + " on a new node of pool " + p.Name
	}
	return PoolReason{p.Name, DoesNotFit, d.say(why)}
}

// shown is whether a node of the pool is up: one that shows no devices then has
// none.
func (p *pool) shown() bool {
	return slices.ContainsFunc(p.Nodes, func(n *world.Node) bool { return n.Object != nil && n.Stage() == world.StageAvailable })
}

// say is a reason in words, the same words for the same reason.
func (d *decision) say(why fit.Reason) string {
	s, ok := d.words[why]
	if !ok {
		s = why.String()
		d.words[why] = s
	}
	return s
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
		case DoesNotFit, DevicesUnknown:
			overall = NoPoolFits
		default:
			return p.Reason
		}
	}
	return overall
}
