package drain

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// queue is the order of a node's pods now.
//
//	wave 0  ordinary pods          ─┐ within a wave: those of low priority first,
//	wave 1  critical pods          ─┤ those with volumes one after another,
//	        volumes off the machine │ those behind a load balancer after its dwell
//	wave 2  DaemonSets, if wanted  ─┘
//	        dwell over, cordon old enough ──► empty
type queue struct {
	due     []*corev1.Pod
	waiting []Block
}

// A pod of this priority or a higher one keeps the node or the cluster alive.
const critical = 2_000_000_000

const daemons = 2 // the wave of DaemonSets

// Wave is 0 for ordinary pods and 1 for those that leave after them.
func Wave(pod *corev1.Pod) int {
	if priority(pod) >= critical {
		return 1
	}
	return 0
}

// queue is pure. detaching is a volume that is on its way off the machine and
// still has time for it, "" for none.
func (t Target) queue(c Classes, detaching string, now time.Time) queue {
	var q queue
	turn := c.wave()
	moving := t.moving(c.Leaving, detaching)
	for _, p := range c.Evictable {
		switch {
		case Wave(p) > turn:
			q.wait(p, LowerPriorityFirst, "critical pods leave when the others have")
		case t.completing(p, now) != nil:
			q.waiting = append(q.waiting, *t.completing(p, now))
		case t.serving(p) && now.Before(t.dwellEnds()):
			q.wait(p, BalancerDwell, "load balancers may send traffic to it until "+t.dwellEnds().UTC().Format(time.RFC3339))
		case moving != "" && t.Attached(p):
			q.wait(p, VolumeMoving, "pods with volumes leave one after another: "+moving)
		default:
			q.due = append(q.due, p)
		}
	}
	for _, p := range c.Leaving {
		if b := whyOverdue(p, now.Add(t.Ahead)); b != nil {
			q.waiting = append(q.waiting, *b)
		}
	}
	if turn == daemons && detaching == "" {
		q.due = append(q.due, c.Daemons...)
	}
	q.node(t, turn, detaching, now)
	return q
}

func (q *queue) wait(p *corev1.Pod, r Reason, message string) {
	q.waiting = append(q.waiting, Block{Pod: key(p), Reason: r, Message: message})
}

// node is what the node itself waits for when its pods have left.
func (q *queue) node(t Target, turn int, detaching string, now time.Time) {
	if turn != daemons {
		return
	}
	if detaching != "" {
		q.waiting = append(q.waiting, Block{Reason: VolumeMoving, Message: detaching})
	}
	if now.Before(t.dwellEnds()) {
		q.waiting = append(q.waiting, Block{Reason: BalancerDwell, Message: "load balancers may send traffic through the node until " + t.dwellEnds().UTC().Format(time.RFC3339)})
	}
	if left := MinDrain - now.Sub(t.Cordoned); left > 0 {
		q.waiting = append(q.waiting, Block{Reason: Settling, Message: fmt.Sprintf("its cordon is too young to be believed for %s more", left.Round(time.Second))})
	}
}

func (t Target) dwellEnds() time.Time {
	if t.Excluded.IsZero() {
		return time.Time{}
	}
	return t.Excluded.Add(t.Dwell)
}

// moving says which volume is on its way, "" if none is.
func (t Target) moving(leaving []*corev1.Pod, detaching string) string {
	for _, p := range leaving {
		if t.Attached(p) {
			return "pod " + key(p) + " is leaving"
		}
	}
	return detaching
}

// wave is the lowest wave that has pods left.
func (c Classes) wave() int {
	lowest := daemons
	for _, list := range [][]*corev1.Pod{c.Evictable, c.Leaving, c.kept} {
		for _, p := range list {
			lowest = min(lowest, Wave(p))
		}
	}
	return lowest
}
