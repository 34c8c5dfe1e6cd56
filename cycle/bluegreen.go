package cycle

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Blue-green, in stages that are read off the nodes:
//
//	grow to twice the size ─► all green available ─► cordon all blue ─► empty them in turn
//	                                                                        │ all empty
//	          delete blue ◄── soak is over ◄── blue stands empty, and annotation rollback gives it back
//
// The soak comes after the drain and not before: only then do the new nodes
// carry the load that they are to be judged by.
//
// Where there are more old nodes than the pool is to have, the rest goes before all
// this, for it holds places of the new ones.

// green holds the cordons of a blue-green run until the new nodes can carry all, and
// says how many old ones go ahead all the same.
func (d *decision) green(run *v1alpha1.CycleStatus, todo []stale) (hold *Wait, ahead int) {
	if strategyOf(nil, run) != v1alpha1.StrategyBlueGreen {
		return nil, 0
	}
	old, begun := map[*world.Node]bool{}, 0
	for _, n := range todo {
		old[n.Node] = true
		if blue(n) && n.Mark != nil && n.Mark.Cause == kube.CauseCycle {
			begun++
		}
	}
	beyond := beyondDesired(run, todo)
	if begun > beyond {
		return nil, 0
	}
	ready, down := 0, []string(nil)
	for _, n := range d.pool.Nodes {
		switch {
		case old[n]:
		case n.Available() && d.lacks[n] == "":
			ready++
		case broken(n) && n.Mark == nil && !goingAway(n): // the doctor's to repair, or a person's
			down = append(down, n.Name())
		}
	}
	want := min(blues(todo), int(run.Desired))
	if ready >= want {
		return nil, 0
	}
	message := fmt.Sprintf("%d of %d new nodes are available: nothing is cordoned before all are", ready, want)
	if beyond > 0 {
		message = fmt.Sprintf("%d of %d new nodes are available: until all are, only %s beyond the desired %d may go, to make room", ready, want, several(beyond, "old node"), run.Desired)
	}
	if len(down) > 0 {
		message += "; waiting for " + few(down) + " to work again"
	}
	return &Wait{WaitingForGreen, message}, beyond - begun
}

// blue is whether the old node holds a place that it is still to give up.
func blue(n stale) bool {
	return !goingAway(n.Node) && n.reason != Surplus && n.reason != JoinTimeout
}

func blues(list []stale) int {
	count := 0
	for _, n := range list {
		if blue(n) {
			count++
		}
	}
	return count
}

// beyondDesired is how many old nodes there are beyond the size that is desired: a run
// that takes over from another finds its blue and its green ones old, and a pool may
// be made smaller meanwhile. They hold the places of green nodes, which cannot all
// come before they are gone; so they go first, as far as the floor allows, and do not
// soak: as many old ones as are desired stay behind them.
func beyondDesired(run *v1alpha1.CycleStatus, list []stale) int {
	return max(blues(list)-int(run.Desired), 0)
}

// queue says of each marked node whether it is its turn.
type queue struct {
	blueGreen bool
	slots     int       // drains that may still begin
	soaked    time.Time // until when emptied nodes stand; zero while others are being emptied
	now       time.Time
	waiting   int                  // nodes that those that are empty stand for
	ahead     map[*world.Node]bool // these do not soak: there are more old nodes than are desired
}

func (d *decision) queue(run *v1alpha1.CycleStatus, going []stale) *queue {
	q := &queue{now: d.s.Now, slots: d.maxParallel()}
	if strategyOf(nil, run) != v1alpha1.StrategyBlueGreen {
		return q
	}
	q.blueGreen = true
	soak, last := time.Hour, time.Time{}
	if s := d.pool.CycleSpec(); s != nil && s.BlueGreen != nil && s.BlueGreen.Soak != nil {
		soak = s.BlueGreen.Soak.Duration
	}
	q.ahead = goFirst(run, going)
	for _, n := range going {
		_, given := skippedUntil(n.Node)
		given = given || n.Mark == nil && (n.MarkErr != nil || d.protected(n.Node))
		switch {
		case n.Mark != nil && n.Mark.Drained != nil && q.ahead[n.Node]:
		case n.Mark != nil && n.Mark.Drained != nil:
			if n.Mark.Drained.After(last) {
				last = *n.Mark.Drained
			}
		case goingAway(n.Node), given:
		default:
			q.waiting++
			if n.Mark != nil && n.Mark.DrainStarted != nil {
				q.slots--
			}
		}
	}
	q.soaked = last.Add(soak)
	return q
}

// goFirst are the marked nodes that go first because there are more old ones than are
// desired: those that are empty before those that are not.
func goFirst(run *v1alpha1.CycleStatus, going []stale) map[*world.Node]bool {
	out := map[*world.Node]bool{}
	for _, drained := range []bool{true, false} {
		for _, n := range going {
			if len(out) < beyondDesired(run, going) && blue(n) && n.Mark != nil && (n.Mark.Drained != nil) == drained {
				out[n.Node] = true
			}
		}
	}
	return out
}

// turn is why a marked node does not go on; no reason if it does.
func (q *queue) turn(n *world.Node) Wait {
	switch {
	case !q.blueGreen || n.Mark.Cause == kube.CauseRepair || n.Mark.Reason == string(Surplus) || n.Mark.Reason == string(JoinTimeout):
		return Wait{}
	case n.Mark.Drained != nil && q.ahead[n]:
		return Wait{}
	case n.Mark.Drained != nil && q.waiting > 0:
		return Wait{Soaking, "it is empty, and stands until " + several(q.waiting, "other", "is", "are")}
	case n.Mark.Drained != nil && q.now.Before(q.soaked):
		return Wait{Soaking, "it is empty, and stands until " + clock(&q.soaked) + "; annotation " + v1alpha1.AnnotationRollback + " gives it back"}
	case n.Mark.DrainStarted != nil || n.Mark.Drained != nil:
		return Wait{}
	case q.slots <= 0:
		return Wait{ParallelDrains, "as many nodes as may be are being emptied"}
	}
	q.slots--
	return Wait{}
}

// soaks is whether the node is empty and stands all the same.
func (q *queue) soaks(n *world.Node) bool {
	return q.blueGreen && n.Mark != nil && n.Mark.Drained != nil && !goingAway(n) && q.turn(n).Reason == Soaking
}
