package cycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/kube"
)

func TestDoctorsActions(t *testing.T) {
	for action, boots := range map[kube.RepairAction]int{kube.RepairReboot: 1, kube.RepairReplaceBootVolume: 1, kube.RepairReplace: 0} {
		t.Run(string(action), func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
				sick := s.anyNode()
				value := kube.RepairRequest{Action: action, Check: "disk-full", Since: time.Now()}.String()
				s.edit(sick, func(n *corev1.Node) {
					n.Status.Conditions[1].Status = corev1.ConditionTrue
					n.Annotations[v1alpha1.AnnotationCycle] = value
				})
				s.set.edit = func(s *simulation, _ int) { // the doctor is content after a restart
					if n := s.town.nodes[sick]; n != nil && n.Status.NodeInfo.BootID != "first" && n.Status.Conditions[1].Status == corev1.ConditionTrue {
						s.edit(sick, func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse })
					}
				}
				s.until(func() bool { return s.ended("node/" + sick + ":" + v1alpha1.AnnotationCycle + "=" + value) })
				s.checkEnd(Succeeded, "")
				if there := s.town.nodes[sick] != nil; s.boots != boots || there != (boots > 0) {
					t.Errorf("%d boots, node there %v", s.boots, there)
				}
			})
		})
	}
}

// A machine that does not come back: the request is answered, so that the doctor
// can ask for something stronger.
func TestRebootThatFails(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
		sick := s.anyNode()
		s.edit(sick, func(n *corev1.Node) {
			n.Status.Conditions[1].Status = corev1.ConditionTrue
			n.Annotations[v1alpha1.AnnotationCycle] = kube.RepairRequest{Action: kube.RepairReboot, Check: "ready", Since: time.Now()}.String()
		})
		s.until(func() bool { return s.town.nodes[sick].Annotations[v1alpha1.AnnotationCycle] == "" })
		if n := s.town.nodes[sick]; n.Spec.Unschedulable || s.boots != 1 {
			t.Errorf("after the attempt: %+v, %d boots", n.Spec, s.boots)
		}
	})
}

// A reboot that does not help is given up after its own time, not a new machine's;
// one of a machine that is gone, or that the cloud never takes, is given up too.
func TestRebootIsGivenUp(t *testing.T) {
	minute := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Minute} }
	for name, c := range map[string]struct {
		repair     v1alpha1.RepairSpec
		shape      string
		setup      func(*simulation, string)
		from, to   time.Duration
		rebootsMax int
	}{
		"a virtual machine":    {from: 8 * time.Minute, to: 10 * time.Minute, rebootsMax: 1},
		"bare metal":           {shape: "BM.Standard.E5.192", from: 20 * time.Minute, to: 22 * time.Minute, rebootsMax: 1},
		"as the user says":     {repair: v1alpha1.RepairSpec{RestartTimeout: minute(3)}, from: 3 * time.Minute, to: 5 * time.Minute, rebootsMax: 1},
		"its machine is gone":  {setup: func(s *simulation, sick string) { s.town.lost[cloudprovider.InstanceID(sick)] = true }, to: time.Minute},
		"the cloud never does": {setup: func(s *simulation, _ string) { s.town.refuse = cloudprovider.ErrConflict }, from: 8 * time.Minute, to: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				c.repair.Mode = v1alpha1.RepairOn
				s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &c.repair })
				s.cloud.Configure(s.id, func(p *fake.Pool) { p.Shape = c.shape })
				sick := s.anyNode()
				s.edit(sick, func(n *corev1.Node) { // it never passes again
					n.Status.Conditions[1].Status = corev1.ConditionTrue
					n.Annotations[v1alpha1.AnnotationCycle] = kube.RepairRequest{Action: kube.RepairReboot, Check: "ready", Since: time.Now()}.String()
				})
				s.until(func() bool {
					m, _ := kube.MarkOf(s.town.nodes[sick])
					return m != nil && m.Drained != nil
				})
				if c.setup != nil {
					c.setup(s, sick)
				}
				took := s.until(func() bool { return s.town.nodes[sick].Annotations[v1alpha1.AnnotationCycle] == "" })
				if took < c.from || took > c.to || s.boots > c.rebootsMax {
					t.Errorf("given up after %s and %d boots, want %s to %s and at most %d", took, s.boots, c.from, c.to, c.rebootsMax)
				}
				s.minutes(2)
				if left := s.clean(); left != "" {
					t.Errorf("left behind: %s", left)
				}
			})
		})
	}
}

func TestAutoReplacesWhatDrifts(t *testing.T) {
	for name, drift := range map[string]func(*fake.Pool){
		"image":      func(p *fake.Pool) { p.Release.Image = "patched" },
		"bootVolume": func(p *fake.Pool) { p.Settings = map[string]string{"bootVolume": "100"} },
		"label": func(p *fake.Pool) {
			p.Template = p.Template.DeepCopy()
			p.Template.Labels["team"] = "red"
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := with("", func(s *v1alpha1.CycleSpec) { s.Mode = v1alpha1.CycleAuto })
			pass(t, set, func(t *testing.T, s *simulation) {
				s.cloud.Configure(s.id, func(p *fake.Pool) { p.Settings = map[string]string{"bootVolume": "50"} })
				for _, in := range s.look().Nodes {
					in.Instance.Settings = nil // machines that do not tell do not differ
				}
				s.minutes(10)
				if s.town.pool.Status.Cycle != nil || s.town.pool.Status.LastCycle != nil {
					t.Fatalf("nothing differs, and the plan is\n%s", s.last)
				}
				before := s.ids()
				s.cloud.Configure(s.id, drift)
				if name == "bootVolume" {
					s.upgradeSettings()
				}
				named := false
				s.until(func() bool {
					for _, n := range s.town.nodes {
						m, _ := kube.MarkOf(n)
						named = named || m != nil && strings.Contains(m.Message, name)
					}
					return s.town.pool.Status.LastCycle != nil
				})
				s.checkEnd(Succeeded, "")
				for id := range s.ids() {
					if before[id] {
						t.Errorf("node %s is still there", id)
					}
				}
				if !named {
					t.Error("no mark names the field")
				}
				// A label that new nodes do not get either is no reason to go on for ever.
				finished := s.town.pool.Status.LastCycle.FinishedAt
				s.minutes(120)
				if !s.town.pool.Status.LastCycle.FinishedAt.Equal(&finished) || s.town.pool.Status.Cycle != nil {
					t.Errorf("it turns the pool over again:\n%s", s.last)
				}
			})
		})
	}
}

// upgradeSettings lets the machines that run tell a setting: they were made when
// the pool had another.
func (s *simulation) upgradeSettings() {
	for _, n := range s.look().Nodes {
		_ = s.cloud.ReplaceBootVolume(s.t.(*testing.T).Context(), s.id, n.Instance.ID)
	}
	s.cloud.Configure(s.id, func(p *fake.Pool) { p.Settings = map[string]string{"bootVolume": "200"} })
	s.minutes(3)
}

func TestWindowIsKept(t *testing.T) {
	set := with("", func(s *v1alpha1.CycleSpec) {
		s.Windows = []v1alpha1.CycleWindow{windowOf("0 2 * * *", "4m", "")}
	})
	set.size, set.pods, set.minAvailable = 4, 4, 3
	pass(t, set, func(t *testing.T, s *simulation) {
		s.upgraded()
		if s.kept[invQuiet] < 5 {
			t.Errorf("the window was put to the test %d times", s.kept[invQuiet])
		}
	})
}

// A release that the cloud does not take is refused before anything is touched.
func TestReleaseIsRefused(t *testing.T) {
	for _, err := range []error{cloudprovider.ErrNotFound, cloudprovider.ErrInvalid} {
		t.Run(err.Error(), func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.cloud.FailNext("SetRelease", fmt.Errorf("%w: the image was deleted", err))
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.checkEnd(Refused, oldRelease.Kubernetes)
				if m := s.town.pool.Status.LastCycle.Message; !strings.Contains(m, "deleted") {
					t.Errorf("refused with %q", m)
				}
			})
		})
	}
}

// A version cannot be given another value: what was refused, or rolled back, is asked for
// again by taking the annotation off and setting it again. Until then it stays answered.
func TestAVersionIsAskedForAgain(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		again := func() {
			before := s.town.pool.Status.LastCycle.FinishedAt
			s.ask(v1alpha1.AnnotationUpgradeTo, "")
			s.minutes(2)
			s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
			s.until(func() bool { return s.ended(upgradeRequest) && !s.town.pool.Status.LastCycle.FinishedAt.Equal(&before) })
			s.checkEnd(Succeeded, newRelease.Kubernetes)
		}
		s.cloud.FailNext("SetRelease", fmt.Errorf("%w: the image was deleted", cloudprovider.ErrNotFound))
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.minutes(1)
		s.checkEnd(Refused, oldRelease.Kubernetes)
		again()
		s.ask(v1alpha1.AnnotationRollback, "1")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=1") })
		s.minutes(20)
		s.checkEnd(Succeeded, oldRelease.Kubernetes)
		again()
	})
}

// Where the machines stay, what runs on them is as old as their boot volumes: neither a
// field that never comes out equal nor an age is a reason to renew them for ever.
func TestAutoRenewsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		drift func(*v1alpha1.CycleSpec)
		town  func(*fake.Pool)
	}{
		"a label": {town: func(p *fake.Pool) {
			p.Template = p.Template.DeepCopy()
			p.Template.Labels["team"] = "red"
		}},
		"an age": {drift: func(s *v1alpha1.CycleSpec) {
			s.Drift = &v1alpha1.DriftSpec{MaxAge: &metav1.Duration{Duration: 2 * time.Hour}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			set := with(v1alpha1.StrategyBootVolume, func(s *v1alpha1.CycleSpec) {
				s.Mode = v1alpha1.CycleAuto
				if c.drift != nil {
					c.drift(s)
				}
			})
			pass(t, set, func(t *testing.T, s *simulation) {
				if c.town != nil {
					s.cloud.Configure(s.id, c.town)
				}
				before := s.ids()
				took := s.until(func() bool { return s.town.pool.Status.LastCycle != nil })
				finished := s.town.pool.Status.LastCycle.FinishedAt
				s.minutes(100)
				if !s.town.pool.Status.LastCycle.FinishedAt.Equal(&finished) || s.town.pool.Status.Cycle != nil {
					t.Errorf("the pool is renewed again, %s after its begin:\n%s", took, s.last)
				}
				for id := range s.ids() {
					if !before[id] {
						t.Errorf("node %s is new", id)
					}
				}
			})
		})
	}
}

// What the cloud puts on all nodes of its own is no user's wish: a label that it puts on
// them no longer would turn all pools over.
func TestOnlyUsersLabelsDrift(t *testing.T) {
	node := corev1.Node{}
	node.Labels = map[string]string{"node.info.ds_proxymux_client": "true", "node.info/compartment.name": "x", "oci.oraclecloud.com/node.info.managed": "true",
		"kubernetes.io/os": "linux", "node-role.kubernetes.io/node": "", "hostname": "a", "team": "red", "example.com/tier": "1"}
	got := poolLabels(cloudprovider.NodePool{Placements: []cloudprovider.Placement{{Template: node}}})
	if want := []string{"example.com/tier", "team"}; !slices.Equal(got, want) {
		t.Errorf("%v are a user's, want %v", got, want)
	}
}
