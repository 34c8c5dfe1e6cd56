package cycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// lose ends a machine behind everybody's back, as the death of its host does; its
// Node and pods go with it.
func (s *simulation) lose(name string) {
	s.town.lost[cloudprovider.InstanceID(name)] = true
	for key, p := range s.town.pods {
		if p.Spec.NodeName == name {
			delete(s.town.pods, key)
		}
	}
	delete(s.town.nodes, name)
}

func (s *simulation) loseOne() { s.lose(slices.Min(slices.Collect(maps.Keys(s.town.nodes)))) }

func (s *simulation) calls() string {
	var out []string
	for _, c := range s.cloud.Calls() {
		switch c.Op {
		case "Resize", "Delete", "Replace", "SetRelease", "Reboot", "ReplaceBootVolume", "Cycle":
			out = append(out, c.Op)
		}
	}
	return strings.Join(out, " ")
}

func (s *simulation) whole() bool {
	all, _ := s.look().Counts()
	return all.Available == s.set.size && all.Instances == s.set.size
}

// Without a run the place of a lost machine is filled where somebody has asked
// for that, and told of where nobody has.
func TestLostMachine(t *testing.T) {
	repair := func(m v1alpha1.RepairMode) func(*v1alpha1.Pool) {
		return func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: m} }
	}
	for name, c := range map[string]struct {
		edit func(*v1alpha1.Pool)
		says string // why not
	}{
		"repair is on":     {edit: repair(v1alpha1.RepairOn)},
		"it is scaled":     {edit: func(p *v1alpha1.Pool) { p.Spec.Scale = &v1alpha1.ScaleSpec{MaxSize: 9} }},
		"a dry run":        {edit: repair(v1alpha1.RepairDryRun), says: "another would be made if spec.repair.mode were On"},
		"nobody has asked": {edit: func(*v1alpha1.Pool) {}, says: "set spec.repair.mode to On, or delete the node in OKE"},
		"paused": {edit: func(p *v1alpha1.Pool) {
			repair(v1alpha1.RepairOn)(p)
			p.Annotations[v1alpha1.AnnotationPause] = "true"
		}, says: "waits: Paused"},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.change(c.edit)
				s.loseOne()
				if c.says == "" {
					s.until(s.whole)
					s.minutes(30)
					if got := s.calls(); got != "Replace" {
						t.Errorf("calls: %s, want one Replace", got)
					}
					return
				}
				s.minutes(30)
				if got := s.calls(); got != "" || !strings.Contains(s.last, c.says) {
					t.Errorf("calls %q and the plan is\n%s", got, s.last)
				}
			})
		})
	}
}

// A machine that is not proven to be gone, or that a Node still names, is let be.
func TestWhatMayLiveIsNotRefilled(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
		name := s.anyNode()
		node := s.town.nodes[name]
		s.lose(name)
		s.town.nodes[name] = node
		s.minutes(10)
		if got := s.calls(); got != "" {
			t.Errorf("calls %q though a Node names the machine", got)
		}
		// The Node comes back between the look and the deed.
		delete(s.town.nodes, name)
		snapshot, err := s.loop.Observer.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		plan := Decide(snapshot, s.loop.Policy)
		if len(plan.Steps) != 1 || plan.Steps[0].Kind != Refill {
			t.Fatalf("plan %v", plan.Steps)
		}
		s.town.nodes[name] = node
		if err := newTurn(s.loop, snapshot, plan).act(t.Context(), plan.Steps); err != nil || s.calls() != "" {
			t.Errorf("calls %q, %v", s.calls(), err)
		}
	})
}

// Whenever in a run a machine is lost, an old one or a new one, the run ends with
// the size it began with and all nodes new, also when the process dies at it.
func TestRunSurvivesLostMachines(t *testing.T) {
	for _, strategy := range []v1alpha1.CycleStrategy{v1alpha1.StrategySurge, v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume, v1alpha1.StrategyBlueGreen} {
		for _, at := range []int{2, 9, 21, 40} {
			t.Run(fmt.Sprintf("%s at %d", strategy, at), func(t *testing.T) {
				set := with(strategy, blueGreen)
				set.size, set.surge, set.minAvailable, set.pods = 4, intstr.FromInt32(2), 0, 6
				synctest.Test(t, func(t *testing.T) {
					s := newSimulation(t, set)
					s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
					s.town.killAt, s.town.after = 3*at, at%2 > 0
					s.set.edit = func(s *simulation, tick int) {
						if tick == at || tick == at+1 {
							s.loseOne()
						}
					}
					s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
					s.until(func() bool { return s.ended(upgradeRequest) && s.whole() && s.ticks > at+1 })
					s.checkEnd(Succeeded, newRelease.Kubernetes)
				})
			})
		}
	}
}

// A machine that never becomes a node is made anew without a run too, in its time
// and one at a time, unless the doctor has braked.
func TestUnjoinedMachine(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
		s.loseOne()
		s.duds = 2
		brake := func(on metav1.ConditionStatus) {
			s.change(func(p *v1alpha1.Pool) {
				meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionBraked, Status: on, Reason: "NotJoining"})
			})
		}
		brake(metav1.ConditionTrue)
		s.minutes(60)
		if got := s.calls(); got != "Replace" {
			t.Fatalf("calls %q while braked", got)
		}
		brake(metav1.ConditionFalse)
		took := s.until(s.whole)
		if got := s.calls(); got != "Replace Replace Replace" || took < 20*time.Minute || took > 30*time.Minute {
			t.Errorf("calls %q in %s", got, took)
		}
	})
}

// What is lost at once is made anew a few at a time.
func TestManyLostMachines(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 24, 0, 0
	pass(t, set, func(t *testing.T, s *simulation) {
		s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
		for range 20 {
			s.loseOne()
		}
		most := 0
		s.set.edit = func(s *simulation, _ int) {
			all, _ := s.look().Counts()
			most = max(most, all.Coming)
		}
		s.until(s.whole)
		if most > 11 || most < 5 {
			t.Errorf("%d machines were made at once, want about 10", most)
		}
	})
}

// The place of a machine is filled also when its successor could not be launched:
// when the cloud has room again, and whenever the process dies.
func TestUnlaunchedMachine(t *testing.T) {
	for kill := range 14 {
		pass(t, small, func(t *testing.T, s *simulation) {
			s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
			s.loseOne()
			s.set.edit = func(s *simulation, _ int) { s.cloud.SetCapacity("ZONE-1", 0) } // what goes makes no room
			s.town.killAt, s.town.after = s.town.changes+kill, kill%2 > 0
			s.minutes(40)
			if s.whole() || s.town.pool.Status.Cycle == nil || s.town.pool.Status.Cycle.Desired != 3 {
				t.Fatalf("killed at %d: no run remembers the size, calls %s:\n%s", kill, s.calls(), s.last)
			}
			s.set.edit = func(s *simulation, _ int) { s.cloud.SetCapacity("ZONE-1", -1) }
			s.until(func() bool { return s.whole() && s.ended(unlaunchedRequest) })
			s.checkEnd(Succeeded, "")
		})
	}
}

// Nobody is asked for more where nobody has asked for repair.
func TestUnlaunchedIsLeftWithoutRepair(t *testing.T) {
	for _, mode := range []v1alpha1.RepairMode{v1alpha1.RepairDryRun, v1alpha1.RepairOff} {
		pass(t, small, func(t *testing.T, s *simulation) {
			s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
			s.loseOne()
			s.cloud.SetCapacity("ZONE-1", 0)
			s.until(func() bool { return s.calls() == "Replace" })
			s.change(func(p *v1alpha1.Pool) { p.Spec.Repair.Mode = mode })
			s.minutes(40)
			if got := s.calls(); got != "Replace" {
				t.Errorf("%s: calls %q", mode, got)
			}
		})
	}
}
