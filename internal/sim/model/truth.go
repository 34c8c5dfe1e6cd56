package model

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The server's clock may be off: what it says of when something was made, and of when
// it ends, is said by that clock. What happens, happens when it happens, so the truth
// is kept beside what is said.
type truth struct{ born, due time.Time }

// stamp is what the server takes for the time so far from now, as objects tell it.
func (s *Server) stamp(in time.Duration) metav1.Time {
	return metav1.NewTime(time.Now().Add(in + s.Skew).Truncate(time.Second))
}

// noteBirth and noteDue remember when it truly was, and will be.
func (s *Server) noteBirth(uid types.UID) {
	s.truths[uid] = truth{born: time.Now().Truncate(time.Second)}
}

func (s *Server) noteDue(uid types.UID, in time.Duration) {
	t := s.truths[uid]
	t.due = time.Now().Add(in).Truncate(time.Second)
	s.truths[uid] = t
}

// Born is when an object truly came to be.
func (s *Server) Born(o client.Object) time.Time {
	if t, ok := s.truths[o.GetUID()]; ok {
		return t.born
	}
	return o.GetCreationTimestamp().Time
}

// Due is when the grace of an object that is being deleted truly ends; zero if it is not
// being deleted.
func (s *Server) Due(o client.Object) time.Time {
	at := o.GetDeletionTimestamp()
	if at == nil {
		return time.Time{}
	}
	if t := s.truths[o.GetUID()]; !t.due.IsZero() {
		return t.due
	}
	return at.Time
}
