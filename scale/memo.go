package scale

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/fit"
	"github.com/tidemill/tidemill/scale/vacate"
)

// Memo is what looks have found out about nodes' pods, kept for the next look:
// of 60,000 pods a few change from one to the next. It changes how long a decision
// takes and never what is decided, and it may be lost.
//
// It goes by the lists of pods in a Snapshot, see fit.Memo: what is known of a
// list holds as long as world.Observer hands out the very same one. It is not safe
// for concurrent use.
type Memo struct {
	fit           *fit.Memo
	crews, before map[**corev1.Pod]*crew
}

// NewMemo is one that knows nothing.
func NewMemo() *Memo { return &Memo{fit: fit.NewMemo()} }

// Decide is [Decide] with what is known; nil knows nothing.
func (m *Memo) Decide(s *world.Snapshot, p Policy) (Plan, error) { return decideKnowing(s, p, m) }

// crew is the pods of one node, added up.
type crew struct {
	list []*corev1.Pod // as the snapshot has it
	live []*corev1.Pod // those that are not at their end
	// all is what the live ones take, counted the same without the pods that come
	// with every node, DaemonSets' and the kubelet's.
	all, counted vacate.Amount
	busy         bool // some would have to move
	// ending are those of the counted that are on their way out.
	ending []*corev1.Pod
	// shy are those that keep others away.
	shy []*corev1.Pod
}

// begin forgets what the last look did not ask for.
func (m *Memo) begin() {
	if m != nil {
		m.before, m.crews = m.crews, make(map[**corev1.Pod]*crew, len(m.crews))
	}
}

func (m *Memo) ofFit() *fit.Memo {
	if m == nil {
		return nil
	}
	return m.fit
}

// crew adds the pods of a node up, or knows the sums already.
func (m *Memo) crew(list []*corev1.Pod) *crew {
	if m == nil || len(list) == 0 {
		return newCrew(list)
	}
	key := &list[0]
	c := m.crews[key]
	if c == nil {
		c = m.before[key]
	}
	if c == nil || len(c.list) != len(list) {
		c = newCrew(list)
	}
	m.crews[key] = c
	return c
}

func newCrew(list []*corev1.Pod) *crew {
	c := &crew{list: list, live: list}
	for i, pod := range list {
		if terminal(pod) {
			c.live = live(list, i)
			break
		}
	}
	for _, pod := range c.live {
		c.add(pod)
	}
	return c
}

func (c *crew) add(pod *corev1.Pod) {
	want, _ := vacate.Requests(pod)
	c.all = c.all.Plus(want)
	if !mirror(pod) && !ofDaemonSet(pod) {
		c.counted = c.counted.Plus(want)
		if pod.DeletionTimestamp != nil {
			c.ending = append(c.ending, pod)
		}
	}
	c.busy = c.busy || !stays(pod)
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		c.shy = append(c.shy, pod)
	}
}

// countedAt is counted without what is overdue at now: time passes while the list
// stays the same.
func (c *crew) countedAt(now time.Time) vacate.Amount {
	out := c.counted
	for _, pod := range c.ending {
		if overdue(pod, now) {
			want, _ := vacate.Requests(pod)
			out = out.Minus(want)
		}
	}
	return out
}

// with is the crew and pods that are to join it.
func (c *crew) with(more []*corev1.Pod) *crew {
	if len(more) == 0 {
		return c
	}
	out := *c
	out.live = append(c.live[:len(c.live):len(c.live)], more...)
	out.shy = c.shy[:len(c.shy):len(c.shy)]
	out.ending = c.ending[:len(c.ending):len(c.ending)]
	for _, pod := range more {
		out.add(pod)
	}
	return &out
}
