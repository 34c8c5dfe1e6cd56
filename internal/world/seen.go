package world

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/cloudprovider"
)

// When a Node came and since when it is Ready, or not, the API server and its kubelet
// say by clocks of their own, which may be off and may be set. Who watches knows better:
// it was not so at the look before, and it is so now. What they say is believed within
// these bounds:
//
//	        the look before        this look
//	──────────────┬────────────────────┬──────► our clock
//	   too early: here        too late: here
//
// The first look of a process has nothing before it. It believes what is said, put right
// by how far the API server's clock is off, and nothing that is still to come. A kubelet
// has a clock of its own that nobody measures: what it says of itself may be true as it
// stands, and then it is the later of the two.
type witness struct {
	last  time.Time
	nodes map[types.UID]testimony

	machines map[cloudprovider.InstanceID]arrival // see arrival.go
	listed   map[cloudprovider.PoolID]time.Time   // when each pool's whole list was last heard
}

type testimony struct {
	born, turned time.Time // by our clock
	told         time.Time // Ready's transition as it is told
	status       corev1.ConditionStatus
}

// note takes in the Nodes of a look, at a time of our clock, with how far the API
// server's is ahead.
func (w *witness) note(nodes []corev1.Node, now time.Time, ahead time.Duration) {
	kept := make(map[types.UID]testimony, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		if n.UID == "" {
			continue // none that an API server has made
		}
		kept[n.UID] = w.heard(&Node{Object: n}, &Snapshot{Now: now, Ahead: ahead})
	}
	w.nodes, w.last = kept, now
}

// of is when a Node came and since when it is Ready, or not; zero if nobody has watched.
func (w *witness) of(n *corev1.Node) (born, turned time.Time) {
	if w == nil {
		return time.Time{}, time.Time{}
	}
	t := w.nodes[n.UID]
	return t.born, t.turned
}

// before is whether a Node came before another: as it was seen, or else as it is told.
func (w *witness) before(a, b *corev1.Node) bool {
	x, _ := w.of(a)
	y, _ := w.of(b)
	if !x.IsZero() && !y.IsZero() && !x.Equal(y) {
		return x.Before(y)
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

func (w *witness) heard(n *Node, s *Snapshot) testimony {
	t, known := w.nodes[n.Object.UID]
	if !known {
		t.born = w.between(s.Ours(n.Object.CreationTimestamp.Time), s.Now)
	}
	c := n.Condition(corev1.NodeReady)
	if c == nil {
		return t
	}
	if told := c.LastTransitionTime.Time; t.turned.IsZero() || !told.Equal(t.told) || c.Status != t.status {
		t.told, t.status = told, c.Status
		t.turned = w.between(turned(c, s), s.Now)
		if !known && w.last.IsZero() && t.turned.Before(t.born) && t.born.Before(s.Now) {
			t.turned = t.born // a kubelet's clock that is behind: it was not Ready before it was
		}
	}
	return t
}

// turned is since when Ready is what it is, as far as its words tell: a controller's,
// which says Unknown by the API server's clock, or the kubelet's own.
func turned(c *corev1.NodeCondition, s *Snapshot) time.Time {
	told := c.LastTransitionTime.Time
	ours := s.Ours(told)
	if c.Status != corev1.ConditionUnknown && told.After(ours) && !told.After(s.Now) {
		return told
	}
	return ours
}

// between is the time that is told, within what was seen. No time told stays none.
func (w *witness) between(told, now time.Time) time.Time {
	switch {
	case told.IsZero():
		return told
	case told.After(now):
		return now
	case told.Before(w.last):
		return w.last
	}
	return told
}

// Registered is when the Node came to be, by our clock; the zero time if there is none.
func (n *Node) Registered() time.Time {
	if n.born.IsZero() && n.Object != nil {
		return n.Object.CreationTimestamp.Time
	}
	return n.born
}

// ReadySince is since when the Node is Ready, or is not, by our clock; the zero time if
// nobody tells.
func (n *Node) ReadySince() time.Time {
	if !n.turned.IsZero() {
		return n.turned
	}
	if c := n.Condition(corev1.NodeReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// Ours is a time that the API server, or a controller beside it, has told, by our clock.
func (s *Snapshot) Ours(told time.Time) time.Time {
	if told.IsZero() {
		return told
	}
	return told.Add(-s.Ahead)
}

// Theirs is what the API server's clock showed at the look: what it has dated is as old
// as it is by that.
func (s *Snapshot) Theirs() time.Time { return s.Now.Add(s.Ahead) }
