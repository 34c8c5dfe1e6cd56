package cycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
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

// says is the doctor's verdict on a node, now, and what he asks for; "" for nothing.
func (s *simulation) says(node string, status corev1.ConditionStatus, request string) {
	s.edit(node, func(n *corev1.Node) {
		c := &n.Status.Conditions[1]
		c.Status, c.Reason, c.LastHeartbeatTime, c.LastTransitionTime = status, "Ready", metav1.Now(), metav1.Now()
		if n.Annotations[v1alpha1.AnnotationCycle] = request; request == "" {
			delete(n.Annotations, v1alpha1.AnnotationCycle)
		}
	})
}

// A node that is Ready, and that a doctor condemned who has led no more since, is not
// taken for one that costs nothing by a process that begins: the time since which it is
// Ready is its kubelet's word, whose clock may be behind. When the verdict is taken back
// the node is one of those that must remain; when it stands, the node goes.
func TestWhoBeginsDoubtsAnOldVerdict(t *testing.T) {
	for name, well := range map[string]bool{"it was well": true, "it is ill": false} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				ill := s.anyNode()
				s.says(ill, corev1.ConditionTrue, "")
				time.Sleep(10 * time.Minute) // nobody leads; it has recovered, by a clock that is behind
				s.edit(ill, func(n *corev1.Node) {
					n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(time.Now().Add(-15 * time.Minute))
				})
				s.unseen = 1 // what comes in its place is never passed
				s.ask(v1alpha1.AnnotationCycle, "now")
				s.start()
				for range 6 {
					s.tick()
					if s.town.nodes[ill].Spec.Unschedulable {
						t.Fatalf("it was cordoned for a verdict of ten minutes ago: %s", s.last)
					}
					if well {
						s.says(ill, corev1.ConditionFalse, "")
					}
				}
				s.minutes(2)
				n := s.town.nodes[ill]
				if taken := n == nil || n.Spec.Unschedulable; taken == well {
					t.Errorf("it was well: %t, and was taken: %t; the plan is\n%s", well, taken, s.last)
				}
			})
		})
	}
}

// A repair that was asked for before this process began is not begun by it before its
// doctor has looked: whoever asked may have led no more when the node became well. With
// a run under way and without, and a request that holds is met all the same.
func TestWhoBeginsLetsTheDoctorLookFirst(t *testing.T) {
	for name, x := range map[string]struct{ well, run bool }{
		"it was well": {true, false}, "it was well, in a run": {true, true},
		"it is ill": {false, false}, "it is ill, in a run": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				one := intstr.FromInt32(1) // there is room for it
				s.change(func(p *v1alpha1.Pool) {
					p.Spec.Repair, p.Spec.Cycle.MaxUnavailable = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}, &one
				})
				ill := s.anyNode()
				s.says(ill, corev1.ConditionTrue, diskFull)
				if x.run {
					s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				}
				time.Sleep(10 * time.Minute) // nobody leads
				s.start()
				taken := func() bool {
					n := s.town.nodes[ill]
					return n == nil || strings.Contains(n.Annotations[v1alpha1.AnnotationDisruption], string(kube.CauseRepair))
				}
				for range 5 {
					s.tick()
					if run := s.town.pool.Status.Cycle; taken() || !x.run && run != nil {
						t.Fatalf("its repair is begun before anybody has looked: run %v, %s", run, s.last)
					}
				}
				if x.well {
					s.says(ill, corev1.ConditionFalse, "")
				}
				for range 60 {
					if s.tick(); taken() {
						break
					}
				}
				if !x.run && x.well && taken() || !x.well && !taken() {
					t.Errorf("it was well: %t, and was taken: %t; the plan is\n%s", x.well, taken(), s.last)
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
