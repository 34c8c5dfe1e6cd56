package cycle

import (
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A rollback that was answered is not taken up again when other requests have been
// answered since, though its annotation still stands: the newer upgrade stays.
func TestRollbackIsAnsweredOnce(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.upgraded()
		s.ask(v1alpha1.AnnotationRollback, "1")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=1") })
		s.ask(v1alpha1.AnnotationUpgradeTo, "")
		s.ask(v1alpha1.AnnotationCycle, "once more")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=once more") })
		changes := s.town.changes
		s.minutes(30)
		if s.town.changes != changes || !s.ended(v1alpha1.AnnotationCycle+"=once more") {
			t.Errorf("%d changes at rest, last answered %s\n%s", s.town.changes-changes, s.town.pool.Status.LastCycle.Request, s.last)
		}
	})
}

// Two requests that cannot be met are refused once each, and not in turn for ever.
func TestRefusalsDoNotTakeTurns(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationRollback, "nothing is there")
		s.ask(v1alpha1.AnnotationUpgradeTo, "latest")
		s.minutes(5)
		changes, last := s.town.changes, s.town.pool.Status.LastCycle.DeepCopy()
		s.minutes(30)
		if s.town.changes != changes || !s.town.pool.Status.LastCycle.FinishedAt.Equal(&last.FinishedAt) {
			t.Errorf("%d changes at rest, last refused %s: %s\n%s", s.town.changes-changes, s.town.pool.Status.LastCycle.Request, s.town.pool.Status.LastCycle.FinishedAt, s.last)
		}
		s.ask(v1alpha1.AnnotationUpgradeTo, "newest") // another value is another request
		s.until(func() bool { return s.ended(v1alpha1.AnnotationUpgradeTo + "=newest") })
	})
}

// What was aborted, or asked for with no value, is not begun again because something
// else has been answered since.
func TestAnsweredRequestsStayAnswered(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationCycle, "stop this")
		s.until(func() bool { return s.town.pool.Status.Cycle != nil })
		s.ask(v1alpha1.AnnotationAbort, "now")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=stop this") })
		s.ask(v1alpha1.AnnotationUpgradeTo, "latest")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationUpgradeTo + "=latest") })
		s.minutes(20)
		if !s.ended(v1alpha1.AnnotationUpgradeTo + "=latest") {
			t.Fatalf("the aborted request was taken up again\n%s", s.last)
		}
		s.ask(v1alpha1.AnnotationAbort, "") // and with the abort off, it is one
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=stop this") })
	})
	pass(t, small, func(t *testing.T, s *simulation) {
		next := s.town.pool.DeepCopy()
		next.Annotations[v1alpha1.AnnotationCycle] = ""
		s.town.stamp(next)
		s.town.pool = next
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=") })
		s.ask(v1alpha1.AnnotationRollback, "no such thing")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=no such thing") })
		changes := s.town.changes
		s.minutes(20)
		if s.town.changes != changes {
			t.Errorf("%d changes at rest\n%s", s.town.changes-changes, s.last)
		}
	})
}
