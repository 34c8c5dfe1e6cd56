package sim

import (
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/tidemill/tidemill/internal/sim/model"
)

// Virtual time costs what happens in it, so nothing may happen for nothing. The
// world's own parts (kubelets, scheduler, controllers) have a turn only after
// something has changed or when one of them has said that it will; the driver
// sleeps until then, until somebody asks for something, or until a loop's beat.

// A loop looks every beat while something goes on; left alone, after its own
// ownInterval: looks at a world at rest are all alike, and there are enough of them.
const (
	beat        = 15 * time.Second
	ownInterval = 2 * time.Minute
	// bored is for how long nothing has been written when the beats stop.
	bored = time.Minute
	// longest is the longest sleep of the driver.
	longest = 10 * time.Second
)

// pass lets time go by, whatever happens meanwhile.
func (w *World) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	w.turn()
}

// doze lets time go by until there is something to do.
func (w *World) doze() {
	select { // a sign from before is about something that has been seen
	case <-w.stir:
	default:
	}
	until := w.ticked.Add(time.Second)
	if !w.moved {
		until = w.due
	}
	now := time.Now()
	for _, p := range w.procs {
		for _, at := range p.beats {
			if w.beats(now) && !at.IsZero() && at.Before(until) {
				until = at
			}
		}
	}
	t := time.NewTimer(min(max(time.Until(until), time.Millisecond), longest))
	select {
	case <-w.stir:
		t.Stop()
	case <-t.C:
	}
	synctest.Wait()
	w.turn()
}

// wakeDriver ends its nap: an op was posted, or the cloud has changed.
func (w *World) wakeDriver() {
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// soon asks for a turn at that time.
func (w *World) soon(at time.Time) {
	if at.Before(w.due) {
		w.due = at
	}
}

// turn is everybody else's, at most once a second.
func (w *World) turn() {
	now := time.Now()
	w.takeEvents()
	w.drum(now)
	w.runErrands(now)
	if now.Sub(w.ticked) < time.Second || !w.moved && now.Before(w.due) {
		return
	}
	w.ticked = now.Truncate(time.Second)
	w.moved, w.due = false, now.Add(24*time.Hour)
	if len(w.errands) > 0 {
		w.soon(w.errands[0].at)
	}
	w.examine(now)
	w.tickMoments(now)
	w.tickGates()
	w.tickBackup(now)
	w.tickNeighbours(now)
	w.tickWorkloads()
	w.tickScheduler()
	w.tickDisks(now)
	w.tickKubelets(now)
	w.sample(now)
	w.tickThrift(now)
	w.tickFoes(now)
	w.stayPaused(now)
}

// moves is whether the write concerns the world's own parts.
func moves(c model.Commit) bool {
	o := c.Next
	if o == nil {
		o = c.Old
	}
	switch o.GetObjectKind().GroupVersionKind().Kind {
	case "Pod", "Node", "PodDisruptionBudget":
		return true
	}
	return false
}

// beats is whether the driver keeps the loops awake. News wake the daemon as well as
// writes: of most the write was a moment ago, of what a hanging watch has kept back it
// was minutes ago.
func (w *World) beats(now time.Time) bool {
	return !w.calm || now.Sub(latest(w.lastReal, w.heard)) < bored
}

// drum wakes the loops whose beat it is, one after the other: two that woke in one
// instant would ask for the one look at a time in an order that only the runtime
// knows.
func (w *World) drum(now time.Time) {
	if !w.beats(now) {
		return
	}
	for _, p := range w.procs {
		for i, name := range loopNames {
			if p.beats[i].IsZero() || now.Before(p.beats[i]) {
				continue
			}
			p.beats[i] = now.Add(beat + time.Duration(i)*13*time.Millisecond)
			select {
			case p.wake[name] <- struct{}{}:
				synctest.Wait()
			default:
			}
		}
	}
}

// inStep brings the loops that run within a second of each other, as they were when
// they began: one look at the cloud serves all, and the cloud was a fifth of what a
// calm world costs.
func (p *process) inStep(from time.Time) {
	for i := range p.beats {
		if !p.beats[i].IsZero() {
			p.beats[i] = from.Add(beat + time.Duration(i)*250*time.Millisecond)
		}
	}
}

// A lease is the numbers of leader election; the first are the daemon's own. The
// others renew less often, for renewals would be most of what a long history costs.
type lease struct{ duration, renew, retry time.Duration }

// apart keeps a deadline from the instant of a try: which of the two comes first would be
// the runtime's to choose.
const apart = 7 * time.Millisecond

var leases = []lease{
	{15 * time.Second, 10*time.Second + apart, 2 * time.Second},
	{15 * time.Second, 10*time.Second + apart, 5 * time.Second},
	{20 * time.Second, 14 * time.Second, 6 * time.Second},
	{30 * time.Second, 24 * time.Second, 11 * time.Second},
	{20 * time.Second, 15 * time.Second, 7 * time.Second},
	{30 * time.Second, 22 * time.Second, 10 * time.Second},
	{30 * time.Second, 20 * time.Second, 9 * time.Second},
}

// standsBy is whether a process cannot win an election now. In a calm world its
// elections wait until it can, and its watches lag until then: half of all events
// would go to it, and it has no use for what they say.
func (w *World) standsBy(p *process, now time.Time) bool {
	if !w.calm {
		return false
	}
	l, ok := w.api.Find("leases", "tidemill-system", "tidemill").(*coordinationv1.Lease)
	return ok && w.holds(l, now) && *l.Spec.HolderIdentity != p.name
}

// parts are what the Pools ask for. All loops run, as in the daemon: no node counts
// before the doctor has passed it, and it is the cycle that empties nodes.
type parts struct {
	scale, cycle, repair bool
	// ills is how many permille of the steps make a machine ill; neighbours, whether
	// other controllers are at work.
	ills       int
	neighbours bool
	// hostile is how many permille of the steps somebody means harm; see hostile.go.
	hostile int
}

// swarms are which of it is in, all of it most often.
var swarms = []parts{
	{scale: true, cycle: true, repair: true}, {scale: true, cycle: true, repair: true, neighbours: true}, {scale: true, cycle: true, repair: true},
	{scale: true, cycle: true}, {cycle: true, repair: true}, {cycle: true}, {scale: true},
	{scale: true, cycle: true, repair: true, ills: 5}, {cycle: true, repair: true, ills: 8}, {scale: true, cycle: true, repair: true, ills: 3, neighbours: true},
	{scale: true, cycle: true, repair: true, hostile: 25}, {cycle: true, repair: true, hostile: 15}, {scale: true, cycle: true, repair: true, ills: 3, neighbours: true, hostile: 15}, {scale: true, cycle: true, hostile: 40},
}
