package doctor

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/internal/world"
)

// History is what earlier looks of this process saw of each node: how often it
// dropped out, and when its lease was last seen to change by our own clock. It
// is lost with the process; nothing is destroyed on its word.
type History struct {
	mu    sync.Mutex
	nodes map[types.UID]*sightings
	sight Sight
}

// NewHistory remembers nothing yet.
func NewHistory() *History { return &History{nodes: map[types.UID]*sightings{}} }

type sightings struct {
	since   time.Time // first look at the node
	readyAt time.Time // Ready's transition time at the last look
	ready   bool
	looked  time.Time // the last look
	drops   []time.Time
	renewed time.Time // the lease's time at the last look
	seen    time.Time // when renewed was first seen to be that
	first   bool      // renewed has not been seen to change
}

// note takes in one look, and forgets nodes that are gone.
func (h *History) note(nodes []*world.Node, l *Look) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := l.Snapshot.Now
	kept := make(map[types.UID]*sightings, len(nodes))
	for _, n := range nodes {
		s := h.nodes[n.Object.UID]
		if s == nil {
			s = &sightings{since: now, first: true}
		}
		kept[n.Object.UID] = s
		s.noteReady(n.Condition(corev1.NodeReady), now)
		s.looked = now
		s.noteLease(l.Leases[n.Object.Name], now)
	}
	h.nodes = kept
}

// noteReady counts the times the node stopped being Ready. A drop and a
// recovery between two looks show as a new transition time alone.
func (s *sightings) noteReady(c *corev1.NodeCondition, now time.Time) {
	if c == nil {
		return
	}
	at, ready := c.LastTransitionTime.Time, c.Status == corev1.ConditionTrue
	if !s.readyAt.IsZero() && !at.Equal(s.readyAt) && s.ready {
		s.drops = append(s.drops, dropped(at, s.looked, now))
	}
	s.readyAt, s.ready = at, ready
	for len(s.drops) > 0 && now.Sub(s.drops[0]) > flapWindow {
		s.drops = s.drops[1:]
	}
}

// dropped is when the node dropped out: when it says so, if that is since the last look,
// and else now. A node's clock that is ahead would have the drop counted for longer, one
// that is behind would have it forgotten at once.
func dropped(told, looked, now time.Time) time.Time {
	if told.Before(looked) || told.After(now) {
		return now
	}
	return told
}

func (s *sightings) noteLease(renewed, now time.Time) {
	if renewed.IsZero() || renewed.Equal(s.renewed) {
		return
	}
	s.first = s.renewed.IsZero()
	s.renewed, s.seen = renewed, now
}

// of is what is remembered of a node; false when nothing is.
func (h *History) of(uid types.UID) (sightings, bool) {
	if h == nil {
		return sightings{}, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.nodes[uid]
	if !ok {
		return sightings{}, false
	}
	return *s, true
}
