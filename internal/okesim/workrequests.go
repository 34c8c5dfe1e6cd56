package okesim

import (
	"fmt"
	"slices"
	"time"
)

// States of a work request.
const (
	workAccepted   = "ACCEPTED"
	workInProgress = "IN_PROGRESS"
	workSucceeded  = "SUCCEEDED"
	workFailed     = "FAILED"
	workCanceling  = "CANCELING"
	workCanceled   = "CANCELED"
)

// A WorkRequest is the record of one accepted mutation.
type WorkRequest struct {
	ID            string
	Operation     string // "NODEPOOL_CREATE", "NODEPOOL_UPDATE", "NODEPOOL_DELETE", "NODEPOOL_CYCLING", "NODEPOOL_RECONCILE", "CLUSTER_NODE_REBOOT", ...
	Status        string // ACCEPTED IN_PROGRESS SUCCEEDED FAILED CANCELING CANCELED
	CompartmentID string
	ClusterID     string
	PoolID        string
	Accepted      time.Time
	Started       time.Time // zero until IN_PROGRESS
	Finished      time.Time // zero until SUCCEEDED or FAILED
	Errors        []WorkError
	Logs          []WorkLog
}

// WorkError is one reason why a work request failed.
type WorkError struct {
	Code, Message string
	At            time.Time
}

// WorkLog is one line of a work request's log.
type WorkLog struct {
	Message string
	At      time.Time
}

// keptWork bounds the memory of finished work requests.
const keptWork = 5000

// workRequest is the emulator's side: open counts what it waits for. Its own start is one of these, so it cannot finish before.
type workRequest struct {
	WorkRequest
	pool   *pool
	action string // of its resource: CREATED UPDATED DELETED
	open   int
	evict  eviction // how it empties the nodes that it takes away
}

func (s *Sim) newWork(p *pool, operation, action string) *workRequest {
	w := s.newRecord(WorkRequest{Operation: operation, CompartmentID: p.spec.CompartmentID, ClusterID: p.spec.ClusterID, PoolID: p.id})
	w.pool, w.action = p, action
	p.busy++
	if p.state != poolCreating && p.state != poolDeleting {
		p.setState(poolUpdating, "")
	}
	s.begin(w)
	return w
}

// newClusterWork is work on a cluster: change is done when it has taken as long as booting a node.
func (s *Sim) newClusterWork(c *Cluster, operation string, change func()) *workRequest {
	w := s.newRecord(WorkRequest{Operation: operation, CompartmentID: c.CompartmentID, ClusterID: c.ID})
	w.action, w.open = "UPDATED", 2
	s.begin(w)
	s.stage(s.opt.Latency.Accept+s.opt.Latency.Boot, func() { change(); s.release(w) })
	return w
}

func (s *Sim) newRecord(record WorkRequest) *workRequest {
	record.ID, record.Status, record.Accepted = s.newOCID("clustersworkrequest"), workAccepted, s.clock()
	w := &workRequest{WorkRequest: record, open: 1}
	s.work = append(s.work, w)
	if len(s.work) > 2*keptWork {
		s.forgetWork()
	}
	return w
}

// begin plans the start of the work; until then nothing can finish it.
func (s *Sim) begin(w *workRequest) {
	s.stage(s.opt.Latency.Accept, func() {
		w.Started = s.clock()
		if w.Status == workAccepted {
			w.Status = workInProgress
		}
		w.log("Started %s", w.Operation)
		s.release(w)
		if w.pool != nil {
			s.step(w.pool) // a cycle begins with its work request
		}
	})
}

// release takes one thing off what w waits for; the last one finishes it.
func (s *Sim) release(w *workRequest) {
	w.open--
	if w.open > 0 {
		return
	}
	switch {
	case w.Status == workCanceling:
		w.Status = workCanceled
	case len(w.Errors) > 0:
		w.Status = workFailed
	default:
		w.Status = workSucceeded
	}
	w.Finished = s.clock()
	w.log("Finished %s: %s", w.Operation, w.Status)
	s.trace("work %s %s %s", w.Operation, w.ID, w.Status)
	if w.pool == nil {
		return
	}
	w.pool.busy--
	if w.pool.busy == 0 {
		s.settle(w.pool)
	}
}

func (w *workRequest) fail(code, message string) {
	w.Errors = append(w.Errors, WorkError{Code: code, Message: message, At: time.Now()})
	w.log("%s: %s", code, message)
}

func (w *workRequest) log(format string, args ...any) {
	w.Logs = append(w.Logs, WorkLog{Message: fmt.Sprintf(format, args...), At: time.Now()})
}

func (w *workRequest) view() WorkRequest {
	v := w.WorkRequest
	v.Errors = slices.Clone(v.Errors)
	v.Logs = slices.Clone(v.Logs)
	return v
}

// forgetWork keeps the unfinished work requests and the newest finished ones.
func (s *Sim) forgetWork() {
	extra := len(s.work) - keptWork
	s.work = slices.DeleteFunc(s.work, func(w *workRequest) bool {
		old := extra > 0 && !w.Finished.IsZero()
		if old {
			extra--
		}
		return old
	})
}

// WorkRequest returns one work request. The error is of type [*Error].
func (s *Sim) WorkRequest(id string) (WorkRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.findWork(id)
	if err != nil {
		return WorkRequest{}, err
	}
	return w.view(), nil
}

// WorkRequests returns the work requests that are remembered, in order of acceptance.
func (s *Sim) WorkRequests() []WorkRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []WorkRequest
	for _, w := range s.work {
		all = append(all, w.view())
	}
	return all
}

func (s *Sim) findWork(id string) (*workRequest, error) {
	i := slices.IndexFunc(s.work, func(w *workRequest) bool { return w.ID == id })
	if i < 0 {
		return nil, errNotFound("work request", id)
	}
	return s.work[i], nil
}
