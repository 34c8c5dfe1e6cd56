package okesim

import (
	"container/heap"
	"time"
)

// The agenda is every future change of the cloud, by due time and then by the order in which it was planned. One timer
// serves it all. With a timer per change, two changes due at one instant would run in whatever order the
// runtime picks, and a seeded simulation would not repeat itself.
type agenda struct {
	due   dueHeap
	seq   int
	timer *time.Timer // nil when nothing is planned
	armed time.Time   // what the timer is set to
}

type entry struct {
	at  time.Time
	seq int
	do  func() // runs with Sim.mu held
}

type dueHeap []entry

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(entry)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = entry{}
	*h = (*h)[:last]
	return e
}

// after plans do for d from now. The caller holds mu; so does do when it runs.
func (s *Sim) after(d time.Duration, do func()) {
	if s.closed {
		return
	}
	s.agenda.seq++
	heap.Push(&s.agenda.due, entry{at: time.Now().Add(d), seq: s.agenda.seq, do: do})
	s.arm()
}

// arm sets the timer to the earliest entry. The wait group counts an armed timer, so that Close can wait for one that already fired.
func (s *Sim) arm() {
	if s.closed || len(s.agenda.due) == 0 {
		return
	}
	at := s.agenda.due[0].at
	if s.agenda.timer != nil && !at.Before(s.agenda.armed) {
		return
	}
	s.disarm()
	s.wg.Add(1)
	s.agenda.armed = at
	s.agenda.timer = time.AfterFunc(time.Until(at), s.tick)
}

func (s *Sim) disarm() {
	if s.agenda.timer != nil && s.agenda.timer.Stop() {
		s.wg.Done()
	}
	s.agenda.timer = nil
}

// tick runs what is due. A timer that was replaced while it waited for the lock does no harm: it finds nothing due.
func (s *Sim) tick() {
	defer s.wg.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.agenda.due) > 0 && !s.agenda.due[0].at.After(time.Now()) {
		heap.Pop(&s.agenda.due).(entry).do()
	}
	s.disarm()
	s.arm()
}
