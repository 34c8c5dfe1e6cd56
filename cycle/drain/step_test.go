package drain

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const noMore = "The disruption budget web needs 3 healthy pods and has 3 currently"

// A budget that allows a disruption again is noticed at once, and one that does
// not is not asked about in vain.
func TestBudgetThatChangesIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := evictions(func(string) error { return refused(0, noMore) }, pod("a"))
		d := New(c)
		b := budget("web", policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, ExpectedPods: 3, CurrentHealthy: 3, DesiredHealthy: 3})
		b.ResourceVersion = "1"
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now(), Around: Around{PDBs: []*policyv1.PodDisruptionBudget{b}}}
		step := func() { d.Step(t.Context(), seen(t, c, target)) }
		step()
		time.Sleep(time.Second)
		step()
		b.ResourceVersion = "2" // it changed, and still allows none
		step()
		if len(*asked) != 1 {
			t.Fatalf("%d evictions, want 1", len(*asked))
		}
		b.ResourceVersion, b.Status.DisruptionsAllowed = "3", 1
		step()
		if len(*asked) != 2 {
			t.Errorf("%d evictions, want a second one at once", len(*asked))
		}
	})
}

func TestVolumesLeaveOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := evictions(func(name string) error {
			if name == "db-0" {
				return refused(0, noMore)
			}
			return nil
		}, pod("db-0", withVolume), pod("db-1", withVolume), pod("db-2", withVolume))
		d := New(c)
		names := []string{"db-0", "db-1", "db-2"}
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now(), Around: storage(names, names)}
		p := d.Step(t.Context(), seen(t, c, target))
		if len(*asked) != 2 || p.Asked[Evicted] != 1 || len(p.Waiting) != 1 || p.Waiting[0].Reason != VolumeMoving {
			t.Fatalf("asked %d, %+v; want the first refused, the second granted, the third waiting", len(*asked), p)
		}
		// The informer has not seen the eviction yet: it counts all the same.
		if p = d.Step(t.Context(), seen(t, c, target)); len(*asked) != 2 || len(p.Waiting) != 1 {
			t.Fatalf("asked %d, %+v", len(*asked), p)
		}
		// The pod is gone and its volume is not: the node waits, but not for ever.
		if err := c.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "shop", "db-1"); err != nil {
			t.Fatal(err)
		}
		if p = d.Step(t.Context(), seen(t, c, target)); len(*asked) != 2 || !strings.Contains(p.Waiting[0].Message, "pv-db-1 is being detached") {
			t.Fatalf("asked %d, %+v", len(*asked), p)
		}
		time.Sleep(DetachTimeout)
		if p = d.Step(t.Context(), seen(t, c, target)); p.Asked[Evicted] != 1 {
			t.Errorf("after the detach timeout: %+v", p)
		}
	})
}

// A kubelet that is not there takes no volume off its machine, and the drain does not wait
// for that.
func TestVolumesOfASilentNodeAreNotAwaited(t *testing.T) {
	for status, awaited := range map[corev1.ConditionStatus]bool{corev1.ConditionTrue: true, corev1.ConditionUnknown: false} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := evictions(func(string) error { return nil })
			target := Target{Node: node(status), Cordoned: time.Now().Add(-time.Minute), Around: storage(nil, []string{"db-0"})}
			if p := New(c).Step(t.Context(), target); (len(p.Waiting) > 0) != awaited {
				t.Errorf("Ready is %s: %+v", status, p)
			}
		})
	}
}

// forbidding answers deletions of pods with err, and counts them.
func forbidding(c *fake.Clientset, err error) *int {
	count := 0
	c.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		count++
		return err != nil, nil, err
	})
	return &count
}

func TestForce(t *testing.T) {
	stuck := func(string) error { return refused(0, noMore) }
	forbidden := apierrors.NewForbidden(pods, "a", errors.New("no"))
	for name, c := range map[string]struct {
		force   bool
		answer  func(string) error
		pods    []*corev1.Pod
		err     error
		deletes int // in one minute
	}{
		"not asked for":                     {false, stuck, []*corev1.Pod{pod("a")}, nil, 0},
		"one at a time":                     {true, stuck, []*corev1.Pod{pod("a"), pod("b"), pod("c"), pod("d"), pod("e")}, nil, 2},
		"not while another leaves":          {true, stuck, []*corev1.Pod{pod("a"), pod("b", leaving(time.Now().Add(100*365*24*time.Hour)))}, nil, 0},
		"never what an annotation protects": {true, stuck, []*corev1.Pod{pod("a", annotated("tidemill.dev/do-not-disrupt", "true"))}, nil, 0},
		"never what nobody makes again":     {true, stuck, []*corev1.Pod{pod("a", func(p *corev1.Pod) { p.OwnerReferences = nil })}, nil, 0},
		"not for a busy server":             {true, func(string) error { return apierrors.NewTooManyRequests("busy", 1) }, []*corev1.Pod{pod("a")}, nil, 0},
		"without the right it is told":      {true, stuck, []*corev1.Pod{pod("a")}, forbidden, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var objects []runtime.Object
				for _, p := range c.pods {
					objects = append(objects, p)
				}
				set, _ := evictions(c.answer, objects...)
				deletes := forbidding(set, c.err)
				d := New(set)
				target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now(), Terms: Terms{Force: c.force}}
				var p Progress
				forced := 0
				for range 59 {
					p = d.Step(t.Context(), seen(t, set, target))
					forced += len(p.Forced)
					time.Sleep(time.Second)
				}
				if *deletes != c.deletes {
					t.Errorf("%d deletions in a minute, want %d; %+v", *deletes, c.deletes, p)
				}
				if want := map[bool]int{true: c.deletes}[c.err == nil]; forced != want {
					t.Errorf("%d reported as forced, want %d", forced, want)
				}
			})
		})
	}
}

// Whether the node is still to be emptied is asked once a step, before the first pod
// is, and not by a step that asks none.
func TestAStepAsksFirst(t *testing.T) {
	for name, c := range map[string]struct {
		still   error
		evicted int
	}{
		"still to be emptied": {nil, 2},
		"taken back":          {errors.New("taken back"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, asked := evictions(func(string) error { return refused(0, noMore) }, pod("a"), pod("b"))
				questions, d := 0, New(set)
				target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
				target.Still = func(context.Context) error { questions++; return c.still }
				if p := d.Step(t.Context(), Target{Node: target.Node, Still: target.Still}); questions != 0 || p.Err != nil {
					t.Fatalf("%d questions for a node without pods, %v", questions, p.Err)
				}
				p := d.Step(t.Context(), seen(t, set, target))
				if len(*asked) != c.evicted || questions != 1 || !errors.Is(p.Err, c.still) {
					t.Fatalf("%d asked to leave, %d questions, %v; want %d, 1, %v", len(*asked), questions, p.Err, c.evicted, c.still)
				}
			})
		})
	}
}

// A pod that may not be deleted holds up neither its neighbours nor other nodes: a
// webhook protects it, or the right is there for some namespaces only.
func TestForceGoesOnBesideARefusal(t *testing.T) {
	for name, refusal := range map[string]error{
		"no right":               apierrors.NewForbidden(pods, "a", errors.New("no")),
		"a webhook":              apierrors.NewForbidden(pods, "a", errors.New(`admission webhook "x" denied the request`)),
		"a webhook that is down": apierrors.NewInternalError(errors.New(`failed calling webhook "x"`)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				elsewhere := pod("c", func(p *corev1.Pod) { p.Spec.NodeName = "n2" })
				set, _ := evictions(func(string) error { return refused(0, noMore) }, pod("a"), pod("b"), elsewhere)
				set.PrependReactor("delete", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
					return a.(clienttesting.DeleteAction).GetName() == "a", nil, refusal
				})
				d := New(set)
				other := node(corev1.ConditionTrue)
				other.Name, other.UID = "n2", "node-2"
				gone := map[string]bool{}
				for range 120 {
					for _, n := range []*corev1.Node{node(corev1.ConditionTrue), other} {
						target := Target{Node: n, Cordoned: time.Now(), Terms: Terms{Force: true}}
						for _, b := range d.Step(t.Context(), seen(t, set, target)).Forced {
							gone[b.Pod] = true
						}
					}
					time.Sleep(time.Second)
				}
				if !gone["shop/b"] || !gone["shop/c"] {
					t.Errorf("deleted in two minutes: %v, want shop/b and shop/c", gone)
				}
			})
		})
	}
}

// A pod that was refused before is not deleted from a node that was taken back since.
func TestForceAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, _ := evictions(func(string) error { return refused(0, noMore) }, pod("a"))
		deletes, d := forbidding(set, nil), New(set)
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
		d.Step(t.Context(), seen(t, set, target))
		target.Force, target.Still = true, func(context.Context) error { return errors.New("taken back") }
		if p := d.Step(t.Context(), seen(t, set, target)); *deletes != 0 || p.Err == nil {
			t.Errorf("%d deletions, %v", *deletes, p.Err)
		}
	})
}

func TestDryRunAsksNothingOfAPod(t *testing.T) {
	c := fake.NewClientset(pod("a"))
	var dry []string
	c.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		dry = a.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction).DeleteOptions.DryRun
		return true, nil, refused(0, noMore)
	})
	if a := New(c).Try(t.Context(), pod("a"), Around{}); a.Reason != PDBTransient || len(dry) != 1 || dry[0] != "All" {
		t.Errorf("%+v, dry run %v", a, dry)
	}
}

func TestPeerThatLeavesIsNamed(t *testing.T) {
	b := budget("web", policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, ExpectedPods: 3, CurrentHealthy: 2, DesiredHealthy: 3})
	peer, other := pod("b", leaving(time.Now())), pod("c", leaving(time.Now()))
	peer.Spec.NodeName = "n2"
	// The informer lists them in any order, and each look is to say the same.
	a := classifyAnswer(pod("a"), Around{PDBs: []*policyv1.PodDisruptionBudget{b}, Peers: []*corev1.Pod{other, peer}}, refused(0, noMore))
	if a.Reason != PeerDrain || !strings.Contains(a.Message, "pod shop/b is leaving node n2") || !strings.Contains(a.Message, "2 of 3 pods are healthy, 3 must be") {
		t.Errorf("%+v", a)
	}
}

// Whatever an API server answers, the answer has one of the reasons that the
// metric knows, names the pod, and never counts a refusal as granted.
func FuzzClassifyAnswer(f *testing.F) {
	f.Add(int32(429), "TooManyRequests", "Cannot evict pod", "DisruptionBudget", noMore, int32(10))
	f.Add(int32(500), "", "This pod has more than one PodDisruptionBudget", "", "", int32(0))
	f.Add(int32(403), "Forbidden", "admission webhook \"x\" denied the request", "NamespaceTerminating", "", int32(-1))
	f.Fuzz(func(t *testing.T, code int32, reason, message, cause, said string, after int32) {
		err := apierrors.NewGenericServerResponse(int(code), "create", pods, "a", message, int(after), true)
		err.ErrStatus.Reason = metav1.StatusReason(reason)
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: metav1.CauseType(cause), Message: said})
		b := budget("web", policyv1.PodDisruptionBudgetStatus{ObservedGeneration: int64(code), CurrentHealthy: after, DesiredHealthy: 1})
		a := classifyAnswer(pod("a"), Around{PDBs: []*policyv1.PodDisruptionBudget{b}}, err)
		known := false
		for _, r := range Answers {
			known = known || a.Reason == r
		}
		if !known || a.Reason == Evicted || a.Pod != "shop/a" {
			t.Errorf("%+v", a)
		}
		next := turn{}.after(a, nil, noon)
		if !next.next.After(noon) {
			t.Errorf("asked again at once: %+v", next)
		}
	})
}
