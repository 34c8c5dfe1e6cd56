package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestPlanHolds lets the real scheduler judge a plan: of pods that ask seven
// different questions the plan says how many nodes they need; after exactly these
// nodes have joined, every pod that the plan called helped runs, and none is left.
func TestPlanHolds(t *testing.T) {
	env := open(t, Options{})
	s, ctx := stage(env), within(t, 4*time.Minute)
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	applyFile(ctx, t, env, "testdata/planned.yaml")
	const pods = 24 + 7 + 8 + 5 + 6 + 3 + 1
	// The scheduler has answered every pod: it runs, or there is no room for it.
	if err := s.Wait(ctx, "the scheduler to have tried every pod", time.Minute, func(ctx context.Context) (bool, string, error) {
		bound, refused, err := answered(ctx, env)
		return bound+refused == pods, fmt.Sprintf("%d bound, %d refused of %d", bound, refused, pods), err
	}); err != nil {
		t.Fatal(err)
	}
	planned := planOf(ctx, t, env)
	if len(planned) < 3 {
		t.Errorf("the plan grows %v: these workloads ask for all three pools", planned)
	}
	if err := env.Daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "every pod to be bound", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		bound, refused, err := answered(ctx, env)
		return bound == pods, fmt.Sprintf("%d bound, %d refused of %d", bound, refused, pods), err
	}); err != nil {
		t.Error(err)
	}
	for pool, to := range planned {
		if size := s.Size(pool); size != to {
			t.Errorf("pool %s has %d nodes, the plan said %d", pool, size, to)
		}
	}
	t.Logf("planned and grown: %v", planned)
}

// answered counts the pods that are bound and those that the scheduler refuses.
func answered(ctx context.Context, env *Env) (bound, refused int, err error) {
	var list corev1.PodList
	if err := env.Client.List(ctx, &list, client.InNamespace("planned")); err != nil {
		return 0, 0, err
	}
	for _, p := range list.Items {
		if p.Spec.NodeName != "" {
			bound++
			continue
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
				refused++
			}
		}
	}
	return bound, refused, nil
}

// planOf is what `tidemill plan` says of the pools' sizes; a pod that it does not
// help is an error, for there is room for all.
func planOf(ctx context.Context, t *testing.T, env *Env) map[string]int {
	t.Helper()
	out, talk, _, err := env.CLI(ctx, "plan", "-o", "json", "--scale-down-young", "5s")
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Scale struct {
			Grows []struct {
				Pool string `json:"pool"`
				To   int    `json:"to"`
			} `json:"grows"`
			Verdicts []struct {
				Pod     string `json:"pod"`
				Reason  string `json:"reason"` // why it is not helped
				Message string `json:"message"`
			} `json:"verdicts"`
		} `json:"scale"`
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, talk)
	}
	for _, v := range plan.Scale.Verdicts {
		if v.Reason != "" {
			t.Errorf("pod %s is not helped: %s: %s", v.Pod, v.Reason, v.Message)
		}
	}
	sizes := map[string]int{}
	for _, g := range plan.Scale.Grows {
		sizes[g.Pool] = g.To
	}
	return sizes
}
