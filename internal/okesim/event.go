package okesim

import "time"

// EventType says what happened to an instance.
type EventType int

// The changes that a watcher of the cloud sees, in the order of a life.
const (
	EventUnknown         EventType = iota
	InstanceProvisioning           // the launch was accepted, the instance has its OCID
	InstanceActive                 // it has booted, OKE counts its node as ACTIVE
	InstanceStopped                // somebody stopped or is rebooting it, its kubelet is silent
	InstanceStarted                // it runs again after InstanceStopped
	InstanceTerminating            // OKE has begun to terminate it
	InstanceTerminated             // it is gone, by OKE or by KillInstance
)

var eventNames = map[EventType]string{
	InstanceProvisioning: "InstanceProvisioning",
	InstanceActive:       "InstanceActive",
	InstanceStopped:      "InstanceStopped",
	InstanceStarted:      "InstanceStarted",
	InstanceTerminating:  "InstanceTerminating",
	InstanceTerminated:   "InstanceTerminated",
}

func (t EventType) String() string {
	if name, ok := eventNames[t]; ok {
		return name
	}
	return "unknown"
}

// An Event is one change of one instance, with the instance as it was right after.
type Event struct {
	Type     EventType
	Instance Instance
	At       time.Time
}

// The outbox holds events until the courier hands them out. Changes happen under the lock and OnEvent must not,
// so the order is kept by having at most one courier at a time.
type outbox struct {
	events  []func()
	courier bool
}

// emit queues an event for OnEvent. The caller holds mu.
func (s *Sim) emit(t EventType, i *instance) {
	s.trace("event %s %s", t, i.ID)
	if s.opt.OnEvent == nil {
		return
	}
	e := Event{Type: t, Instance: i.view(), At: time.Now()}
	s.post(func() { s.opt.OnEvent(e) })
}

// post queues a call to the outside. The caller holds mu.
func (s *Sim) post(call func()) {
	s.outbox.events = append(s.outbox.events, call)
	if !s.outbox.courier && !s.closed {
		s.outbox.courier = true
		s.wg.Add(1)
		go s.deliver()
	}
}

// deliver is the courier: it hands out events until none is left, then ends.
func (s *Sim) deliver() {
	defer s.wg.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.outbox.events) > 0 {
		batch := s.outbox.events
		s.outbox.events = nil
		s.mu.Unlock()
		for _, call := range batch {
			call()
		}
		s.mu.Lock()
	}
	s.outbox.courier = false
}
