package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// TestBadInput gives tidemill what it should refuse, one thing after the other,
// on one cluster: each must get one clear sentence, and nothing else may stop.
func TestBadInput(t *testing.T) {
	pools := OnePool(2)
	doomed := OnePool(1)[0]
	doomed.Name = "doomed"
	env := open(t, Options{Pools: append(pools, doomed), Policies: map[string]v1alpha1.PoolSpec{"workers": Policy(2, 5, 1), "doomed": Policy(0, 2, 1)},
		MetricsAddress: freeAddress(t), Crowded: true})
	s := stage(env)
	// At its most talkative, so that secrets have every chance to be told.
	env.Daemon = restarted(t, env, func(args []string) []string { return append(slices.Clone(args), "--log-level", "debug") })
	if err := s.atRest(within(t, 5*time.Minute), "workers"); err != nil {
		t.Fatal(err)
	}
	secrets := plantCanaries(within(t, 5*time.Minute), t, env)
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *Stage)
	}{
		{"nonsense is refused at admission", refusedAtAdmission},
		{"two Pools name one node pool", claimedTwice},
		{"a malformed annotation", malformedAnnotation},
		{"a node without a provider ID", noProviderID},
		{"hostile objects", hostileObjects},
		{"another controller fights over a condition", fought},
		{"a user deletes what is ours in the middle", deletedByAUser},
		{"a node pool deleted under our hands", poolDeleted},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, s) })
	}
	// After all of it, a pool that was always right still does its work.
	result, err := s.Turn(within(t, 10*time.Minute), Turn{Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: secondUpgrade, Version: secondUpgrade})
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
	canariesAreSilent(t, s, secrets)
	t.Logf("afterwards: %d nodes turned over in %.1f s", result.nodes, result.took.Seconds())
}

func refusedAtAdmission(t *testing.T, s *Stage) {
	zero, some := intstr.FromInt(0), intstr.FromString("0%")
	for want, change := range map[string]func(*v1alpha1.Pool){
		"minSize must not be greater than maxSize":         func(p *v1alpha1.Pool) { p.Spec.Scale.MinSize = 9 },
		"maxSurge and maxUnavailable must not both be 0":   func(p *v1alpha1.Pool) { p.Spec.Cycle.MaxSurge, p.Spec.Cycle.MaxUnavailable = &zero, &some },
		"maxSurge 0 needs a maxUnavailable of 1 or more":   func(p *v1alpha1.Pool) { p.Spec.Cycle.MaxSurge, p.Spec.Cycle.MaxUnavailable = &zero, nil },
		"nodePoolID cannot be changed":                     func(p *v1alpha1.Pool) { p.Spec.NodePoolID = "another" },
		"must be a number from 0 to 1000 or a percentage ": func(p *v1alpha1.Pool) { v := intstr.FromString("lots"); p.Spec.Cycle.MaxSurge = &v },
		"percentage from 0% to 100%":                       func(p *v1alpha1.Pool) { v := intstr.FromString("150%"); p.Spec.Cycle.MaxUnavailable = &v },
		"must be a number from 0 to 1000":                  func(p *v1alpha1.Pool) { v := intstr.FromInt(-1); p.Spec.Cycle.MaxSurge = &v },
	} {
		err := s.ChangePool(t.Context(), "workers", change)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func claimedTwice(t *testing.T, s *Stage) {
	ctx := within(t, 5*time.Minute)
	first, err := s.Pool(ctx, "workers")
	if err != nil {
		t.Fatal(err)
	}
	second := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "usurper"}, Spec: Policy(0, 1, 1)}
	second.Spec.NodePoolID = first.Spec.NodePoolID
	if err := s.Client.Create(ctx, second); err != nil {
		t.Fatal(err)
	}
	err = s.Wait(ctx, "the second claim to be refused", time.Minute, s.notReady("usurper", "NodePoolClaimedTwice"))
	if err != nil {
		t.Error(err)
	}
	if p, err := s.Pool(ctx, "workers"); err != nil || condition(p, v1alpha1.ConditionReady).Status != metav1.ConditionTrue {
		t.Errorf("the first claim: %v, %v: want Ready", condition(p, v1alpha1.ConditionReady), err)
	}
	if s.Size("workers") != 2 {
		t.Errorf("workers has size %d, want 2: the second claim's bounds were used", s.Size("workers"))
	}
	if err := s.Client.Delete(ctx, second); err != nil {
		t.Error(err)
	}
}

// notReady is the probe that a Pool is not ready for this reason, with a sentence.
func (s *Stage) notReady(pool, reason string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil {
			return false, "", err
		}
		c := condition(p, v1alpha1.ConditionReady)
		return c.Status == metav1.ConditionFalse && c.Reason == reason && len(c.Message) > 20, fmt.Sprintf("Ready is %q, %q: %s", c.Status, c.Reason, c.Message), nil
	}
}

// ready is the probe that a Pool's node pool can be read.
func (s *Stage) ready(pool string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil {
			return false, "", err
		}
		c := condition(p, v1alpha1.ConditionReady)
		return c.Status == metav1.ConditionTrue, fmt.Sprintf("Ready is %q, %q: %s", c.Status, c.Reason, c.Message), nil
	}
}

func malformedAnnotation(t *testing.T, s *Stage) {
	ctx := within(t, 5*time.Minute)
	before, err := s.fleet(ctx, "workers")
	if err != nil {
		t.Fatal(err)
	}
	release := func() string { p, _ := s.CloudPool("workers"); return p.KubernetesVersion }
	was := release()
	for value, want := range map[string]string{
		"latest": "not a version", "v1.34": "not a version", "v9.9.9": "control plane", "v1.35.7": "v1.35.7",
	} {
		if err := s.Annotate(ctx, "workers", v1alpha1.AnnotationUpgradeTo, value); err != nil {
			t.Fatal(err)
		}
		err := s.Wait(ctx, value+" to be refused", time.Minute, func(ctx context.Context) (bool, string, error) {
			p, err := s.Pool(ctx, "workers")
			if err != nil {
				return false, "", err
			}
			last := p.Status.LastCycle
			if last == nil {
				return false, "no answer", nil
			}
			done := last.Request == v1alpha1.AnnotationUpgradeTo+"="+value && last.Outcome == "Refused" && strings.Contains(last.Message, want)
			return done, fmt.Sprintf("%s: %s: %s", last.Request, last.Outcome, last.Message), nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	after, err := s.fleet(ctx, "workers")
	if err != nil || len(after) != len(before) || before.stillIn(after) != len(before) || release() != was || s.Size("workers") != 2 {
		t.Errorf("nodes %v→%v, release %s→%s, size %d, %v: want no change", before, after, was, release(), s.Size("workers"), err)
	}
	if err := s.ChangePool(ctx, "workers", func(p *v1alpha1.Pool) { delete(p.Annotations, v1alpha1.AnnotationUpgradeTo) }); err != nil {
		t.Error(err)
	}
}

func noProviderID(t *testing.T, s *Stage) {
	ctx := within(t, 5*time.Minute)
	stranger := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "stranger"}}
	if err := s.Client.Create(ctx, stranger); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Client.Delete(ctx, stranger); err != nil {
			t.Error(err)
		}
	}()
	out, talk, code, err := s.CLI(ctx, "status")
	if err != nil || code != 0 || !strings.Contains(out, "node stranger: NoProviderID: ") {
		t.Errorf("tidemill status: exit %d, %v: want a word about the node without a provider ID\n%s%s", code, err, out, talk)
	}
	err = s.Hold(ctx, "the node to be left alone", 3*time.Second, func(ctx context.Context) (bool, string, error) {
		var n corev1.Node
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(stranger), &n)
		return err == nil && len(marks(&n)) == 0, fmt.Sprint(marks(&n)), err
	})
	if err != nil {
		t.Error(err)
	}
}

func poolDeleted(t *testing.T, s *Stage) {
	ctx := within(t, 5*time.Minute)
	doomed, err := s.CloudPool("doomed")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range doomed.Nodes {
		s.Watcher.Excuse(n.ID, "a person deleted the node pool")
	}
	s.Sim.DeletePool(doomed.ID)
	if err := s.Wait(ctx, "Pool doomed to say that its node pool is gone", time.Minute, s.notReady("doomed", "NodePoolNotFound")); err != nil {
		t.Error(err)
	}
	if _, err := s.Pool(ctx, "doomed"); err != nil {
		t.Errorf("what a user wrote is gone: %v", err)
	}
	// The others go on, also with the room that has vanished.
	w := Workload{Name: "afterwards", Replicas: 20, Requests: ask("400m", "1Gi")}
	if err := s.Deploy(ctx, w); err != nil {
		t.Fatal(err)
	}
	running := s.allRun(w)
	if err := s.Wait(ctx, "workers to grow and serve the pods", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		// Some may run on a dying node of the other pool for a moment.
		ok, now, err := running(ctx)
		return ok && s.Size("workers") >= 3, fmt.Sprintf("%s, workers has size %d", now, s.Size("workers")), err
	}); err != nil {
		t.Error(err)
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		t.Error(err)
	}
}
