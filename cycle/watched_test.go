package cycle

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A process that begins does not take the cloud's word for the age of a machine that it
// would give up for it: the clock that dated it may have been set since. It watches it
// for the time to join first, in a run (where it is a failure, too, of which few are
// allowed) and in none.
func TestAMachineIsGivenUpByWhoHasWatchedIt(t *testing.T) {
	for name, ask := range map[string]func(*simulation){
		"no run": func(*simulation) {},
		"a run":  func(s *simulation) { s.ask(v1alpha1.AnnotationCycle, "now") },
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
				s.duds = 1
				s.cloud.SetSize(s.id, small.size+1)
				for range 12 { // it is made, and does not become a node
					s.settle()
					time.Sleep(10 * time.Second)
				}
				ask(s)
				time.Sleep(26 * time.Hour) // as a clock that was set tells it
				s.start()
				s.minutes(19)
				for id := range s.dud {
					if !s.lists(string(id)) {
						t.Fatalf("given up before anybody had watched it: %s", s.calls())
					}
				}
				s.minutes(10)
				for id := range s.dud {
					if s.lists(string(id)) {
						t.Errorf("it is there still; the plan is\n%s", s.last)
					}
				}
			})
		})
	}
}

// lists is whether the cloud lists the machine.
func (s *simulation) lists(id string) bool {
	list, err := s.cloud.Instances(s.t.(*testing.T).Context(), s.id)
	if err != nil {
		s.t.Fatalf("list instances: %v", err)
	}
	for _, in := range list {
		if string(in.ID) == id {
			return true
		}
	}
	return false
}
