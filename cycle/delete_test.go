package cycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A machine is ended only if two guards allow it, the plan's and a live look before
// the call. Either alone would hide that the other is gone; so each is asked alone.

// drainedMark marks the node as one that was seen empty.
func drainedMark(n *corev1.Node, now time.Time) {
	kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle, Reason: string(Outdated), Since: now, DrainStarted: &now, Drained: &now}))
}

// The plan ends no machine but that of a Node whose own mark says that it was drained.
func TestThePlanDeletesWhatWasDrained(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*worldtest.World, *corev1.Node)
		want   bool
	}{
		"drained":     {func(*worldtest.World, *corev1.Node) {}, true},
		"not drained": {func(w *worldtest.World, n *corev1.Node) { drainingSince(w, n, time.Minute) }, false},
		"empty and not drained": {func(_ *worldtest.World, n *corev1.Node) {
			kube.SetMark(n, kube.Mark{Cause: kube.CauseCycle, Reason: string(Outdated), Cordoned: true})
		}, false},
		"namesake":   {func(_ *worldtest.World, n *corev1.Node) { n.UID = "another" }, false},
		"uncordoned": {func(_ *worldtest.World, n *corev1.Node) { n.Spec.Unschedulable = false }, false},
		"unmarked":   {func(_ *worldtest.World, n *corev1.Node) { delete(n.Annotations, v1alpha1.AnnotationDisruption) }, false},
		"unreadable": {func(_ *worldtest.World, n *corev1.Node) { n.Annotations[v1alpha1.AnnotationDisruption] = "{" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			room := intstr.FromInt32(1)
			p.Spec.Cycle.MaxUnavailable, p.Spec.Cycle.Gates = &room, nil
			n := &w.Objects.Nodes[0]
			drainedMark(n, w.Now.Add(-time.Minute))
			c.change(w, n)
			got := false
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				got = got || s.Kind == DeleteInstance && s.Node == n.Name
			}
			if got != c.want {
				t.Errorf("deleted: %v, want %v", got, c.want)
			}
		})
	}
}

// Between the plan and the call the world may change; a live look finds it, before a
// machine is deleted and before one is restarted.
func TestALiveLookBeforeAMachineIsEnded(t *testing.T) {
	nothing := func(*simulation, *corev1.Node) {}
	for name, change := range map[string]func(*simulation, *corev1.Node){
		"as it was":    nothing,
		"uncordoned":   func(_ *simulation, n *corev1.Node) { n.Spec.Unschedulable = false },
		"unmarked":     func(_ *simulation, n *corev1.Node) { delete(n.Annotations, v1alpha1.AnnotationDisruption) },
		"drained anew": func(_ *simulation, n *corev1.Node) { m, _ := kube.MarkOf(n); m.Drained = nil; kube.SetMark(n, *m) },
		"namesake":     func(_ *simulation, n *corev1.Node) { n.UID = "another" },
		"namesake that was drained too": func(_ *simulation, n *corev1.Node) {
			n.UID = "another"
			drainedMark(n, time.Now())
		},
		"other machine": func(_ *simulation, n *corev1.Node) { n.Spec.ProviderID = "another" },
		"other machine that was drained too": func(_ *simulation, n *corev1.Node) {
			n.Spec.ProviderID = "another"
			drainedMark(n, time.Now())
		},
		"mark of another machine": func(_ *simulation, n *corev1.Node) {
			key := v1alpha1.AnnotationDisruption
			n.Annotations[key] = strings.Replace(n.Annotations[key], `"instanceID":"`, `"instanceID":"another-`, 1)
		},
		"pod came": func(s *simulation, n *corev1.Node) {
			for _, p := range s.town.pods {
				p.Spec.NodeName = n.Name
				break
			}
		},
		"gone": nothing,
	} {
		for verb, kind := range map[string]Kind{"Delete": DeleteInstance, "Reboot": Reboot, "ReplaceBootVolume": ReplaceBootVolume} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				pass(t, small, func(t *testing.T, s *simulation) {
					s.town.watch = nil
					victim := s.anyNode()
					for key, p := range s.town.pods {
						if p.Spec.NodeName == victim {
							delete(s.town.pods, key)
						}
					}
					s.edit(victim, func(n *corev1.Node) { drainedMark(n, time.Now()) })
					turn := s.turn(t)
					step := Step{Kind: kind, Pool: "workers", PoolID: s.id, Node: victim, NodeUID: s.town.nodes[victim].UID, Instance: cloudprovider.InstanceID(victim)}
					if name != "as it was" { // what nobody has touched has the version that was read
						s.edit(victim, func(n *corev1.Node) { change(s, n) })
					}
					if name == "gone" {
						delete(s.town.nodes, victim)
					}
					_ = turn.step(t.Context(), step)
					if ended := slices.Contains(strings.Fields(s.calls()), verb); ended != (name == "as it was") {
						t.Errorf("the machine was ended: %v (%s)", ended, s.calls())
					}
				})
			})
		}
	}
}

// A node that stood empty in a soak and gets pods is emptied once more, and they have
// what was left of the drain's time: not none, and not all.
func TestPodsThatComeToAnEmptyNodeHaveWhatIsLeftOfItsTime(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.town.watch = nil
		victim := s.anyNode()
		for _, p := range s.town.pods {
			p.Spec.NodeName = victim
		}
		s.edit(victim, func(n *corev1.Node) {
			began, emptied := time.Now().Add(-50*time.Minute), time.Now().Add(-46*time.Minute)
			drainedMark(n, emptied)
			m, _ := kube.MarkOf(n)
			m.DrainStarted = &began
			kube.SetMark(n, *m)
		})
		_ = s.turn(t).step(t.Context(), Step{Kind: DeleteInstance, Pool: "workers", PoolID: s.id, Node: victim, NodeUID: s.town.nodes[victim].UID, Instance: cloudprovider.InstanceID(victim)})
		m, err := kube.MarkOf(s.town.nodes[victim])
		if err != nil || m == nil || m.Drained != nil || m.DrainStarted == nil {
			t.Fatalf("mark %v (%v)", m, err)
		}
		if had := time.Since(*m.DrainStarted); had != 4*time.Minute {
			t.Errorf("the drain has had %s of its time, not the four minutes before it was empty", had)
		}
	})
}

// Where two Nodes name one machine, it is not ended before both are empty: the older is
// taken for the real one, and may not be if somebody has deleted that.
func TestAMachineWithTwoNodesIsEndedWhenBothAreEmpty(t *testing.T) {
	for _, crowded := range []bool{true, false} {
		pass(t, small, func(t *testing.T, s *simulation) {
			s.town.watch = nil
			victim := s.anyNode()
			var guest *corev1.Pod
			for key, p := range s.town.pods {
				if p.Spec.NodeName == victim {
					guest = p
					delete(s.town.pods, key)
				}
			}
			s.edit(victim, func(n *corev1.Node) { drainedMark(n, time.Now()) })
			other := s.town.nodes[victim].DeepCopy()
			other.Name, other.UID, other.Annotations, other.CreationTimestamp.Time = "zz-other", "other", nil, time.Now()
			s.town.nodes[other.Name] = other
			if crowded {
				guest.Spec.NodeName = other.Name
				s.town.pods["guest"] = guest
			}
			step := Step{Kind: DeleteInstance, Pool: "workers", PoolID: s.id, Node: victim, NodeUID: s.town.nodes[victim].UID, Instance: cloudprovider.InstanceID(victim)}
			_ = s.turn(t).step(t.Context(), step)
			if ended := slices.Contains(strings.Fields(s.calls()), "Delete"); ended == crowded {
				t.Errorf("pods on the other node: %v, the machine was ended: %v (%s)", crowded, ended, s.calls())
			}
		})
	}
}

// A look finds it, too, before a pod is asked to leave: the cache may not have heard for
// minutes that somebody has taken the node back.
func TestALiveLookBeforePodsLeave(t *testing.T) {
	for name, change := range map[string]func(*corev1.Node){
		"as it was":         nil,
		"uncordoned":        func(n *corev1.Node) { n.Spec.Unschedulable = false },
		"unmarked":          func(n *corev1.Node) { delete(n.Annotations, v1alpha1.AnnotationDisruption) },
		"namesake":          func(n *corev1.Node) { n.UID = "another" },
		"marked by another": func(n *corev1.Node) { drainedMark(n, time.Now()) },
		"gone":              func(*corev1.Node) {},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.town.watch = nil
				victim := s.anyNode()
				s.edit(victim, func(n *corev1.Node) {
					at := time.Now().Add(-time.Hour)
					kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle, Reason: string(Outdated), Since: at, DrainStarted: &at}))
				})
				asked := 0
				s.town.evicted = func(bool) { asked++ }
				turn := s.turn(t)
				step := Step{Kind: Drain, Pool: "workers", PoolID: s.id, Node: victim, NodeUID: s.town.nodes[victim].UID, Instance: cloudprovider.InstanceID(victim)}
				if change != nil {
					s.edit(victim, change)
				}
				if name == "gone" {
					delete(s.town.nodes, victim)
				}
				err := turn.step(t.Context(), step)
				if (asked > 0) != (change == nil) || errors.Is(err, cloudprovider.ErrConflict) != (change != nil) {
					t.Errorf("%d pods were asked to leave, %v", asked, err)
				}
			})
		})
	}
}

// turn is one of the loop, with a look at the world as it is.
func (s *simulation) turn(t *testing.T) *turn {
	s.loop.prepare()
	snapshot, err := s.loop.Observer.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return newTurn(s.loop, snapshot, Plan{})
}

// A node is cordoned only if the pool, and the other nodes, are still as they were
// when that was decided. The node itself has not changed here, so that no version of
// it is in the way.
func TestALiveLookBeforeANodeIsTaken(t *testing.T) {
	mark := func(n *corev1.Node) {
		kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseScaleDown, Since: time.Now()}))
	}
	for name, change := range map[string]func(s *simulation, other string){
		"as it was":         func(*simulation, string) {},
		"another is marked": func(s *simulation, other string) { s.edit(other, mark) },
		"another is gone":   func(s *simulation, other string) { delete(s.town.nodes, other) },
		"another has fallen ill": func(s *simulation, other string) {
			s.edit(other, func(n *corev1.Node) { n.Status.Conditions = nil })
		},
		"all others have fallen ill": func(s *simulation, _ string) {
			for _, n := range s.look().Nodes[1:] {
				s.edit(n.Name(), func(n *corev1.Node) { n.Status.Conditions = nil })
			}
		},
		"another is cordoned": func(s *simulation, other string) {
			s.edit(other, func(n *corev1.Node) { n.Spec.Unschedulable = true })
		},
		"all others have a label more": func(s *simulation, _ string) {
			for _, n := range s.look().Nodes[1:] {
				s.edit(n.Name(), func(n *corev1.Node) { n.Labels["another"] = "" })
			}
		},
		"another has become a namesake": func(s *simulation, other string) { s.edit(other, func(n *corev1.Node) { n.UID = "another" }) },
		"paused":                        func(s *simulation, _ string) { s.ask(v1alpha1.AnnotationPause, "true") },
		"called off":                    func(s *simulation, _ string) { s.ask(v1alpha1.AnnotationCycle, "") },
		"the run is over":               func(s *simulation, _ string) { s.change(func(p *v1alpha1.Pool) { p.Status.Cycle = nil }) },
		"another run":                   func(s *simulation, _ string) { s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Request = "another" }) },
		"another size":                  func(s *simulation, _ string) { s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Desired++ }) },
		"another spec": func(s *simulation, _ string) {
			s.change(func(p *v1alpha1.Pool) { p.Spec.Cycle.Mode = v1alpha1.CycleOff })
		},
		"another pool of the name": func(s *simulation, _ string) { s.change(func(p *v1alpha1.Pool) { p.UID = "another" }) },
	} {
		for _, size := range []int{small.size, 16} {
			set := small
			set.size = size
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				pass(t, set, func(t *testing.T, s *simulation) {
					s.town.watch = nil
					s.ask(v1alpha1.AnnotationCycle, "now")
					s.until(func() bool { return s.town.pool.Status.Cycle != nil })
					turn := s.turn(t)
					nodes := s.look().Nodes
					victim, other := nodes[0].Object, nodes[1].Name()
					change(s, other)
					step := Step{Kind: Mark, Pool: "workers", PoolID: s.id, Node: victim.Name, NodeUID: victim.UID, Cause: kube.CauseCycle, Reason: Outdated}
					_ = turn.act(t.Context(), []Step{step})
					if taken := s.town.nodes[victim.Name].Spec.Unschedulable; taken != (name == "as it was" || name == "all others have a label more") {
						t.Errorf("the node was taken: %v", taken)
					}
				})
			})
		}
	}
}

func TestDeleteOfAnInstanceThatRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.loop.prepare()
		snapshot, err := s.loop.Observer.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turn := newTurn(s.loop, snapshot, Plan{})
		err = turn.step(t.Context(), Step{Kind: DeleteInstance, Pool: "workers", PoolID: s.id, Instance: cloudprovider.InstanceID(s.anyNode())})
		if err != nil || slices.Contains(s.writes(), "Delete") {
			t.Errorf("deleted, or %v", err)
		}
	})
}
