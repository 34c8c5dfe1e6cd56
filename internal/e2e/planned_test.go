package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestPlanHolds lets the real scheduler judge a plan: of pods that ask seven
// different questions the plan says how many nodes they need; the daemon asks for
// exactly these, and with them every pod that the plan called helped gets its place.
//
// The scheduler fills the nodes that are there, and does not wait for those that
// are coming: one that joins a second before the others may be full of what could
// go anywhere, when the pod is tried that needs a place there. So no node joins
// before the daemon has done, and the pods are made anew when all are there.
func TestPlanHolds(t *testing.T) {
	env := open(t, Options{})
	s, ctx := stage(env), within(t, 10*time.Minute)
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	applyFile(ctx, t, env, "testdata/planned.yaml")
	const pods = 24 + 7 + 8 + 5 + 6 + 3 + 1
	// The scheduler has answered every pod: it runs, or there is no room for it.
	if err := s.Wait(ctx, "the scheduler to have tried every pod", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		bound, refused, err := answered(ctx, env)
		return bound+refused == pods, fmt.Sprintf("%d bound, %d refused of %d", bound, refused, pods), err
	}); err != nil {
		t.Fatal(err)
	}
	planned := planOf(ctx, t, env)
	if len(planned) < 3 {
		t.Errorf("the plan grows %v: these workloads ask for all three pools", planned)
	}
	mayJoin(env, false)
	if err := env.Daemon.Start(); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, p := range env.Sim.Pools() {
		if _, grows := planned[p.Name]; !grows {
			planned[p.Name] = p.Size
		}
		sum += planned[p.Name]
	}
	if err := s.Wait(ctx, "the pools to grow", time.Minute, s.sumIs(sum)); err != nil {
		t.Error(err)
	}
	if err := s.Hold(ctx, "the pools to keep their sizes", 3*time.Second, s.sumIs(sum)); err != nil {
		t.Error(err)
	}
	for pool, to := range planned {
		if size := s.Size(pool); size != to {
			t.Errorf("pool %s has %d nodes, the plan said %d", pool, size, to)
		}
	}
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	mayJoin(env, true)
	if err := env.awaitNodes(ctx); err != nil {
		t.Fatal(err)
	}
	anew(ctx, t, env)
	if err := s.Wait(ctx, "every pod to be bound", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		bound, refused, err := answered(ctx, env)
		return bound == pods, fmt.Sprintf("%d bound, %d refused of %d", bound, refused, pods), err
	}); err != nil {
		t.Error(err)
	}
	t.Logf("planned, grown and enough: %v", planned)
}

func mayJoin(env *Env, yes bool) {
	for _, p := range env.Sim.Pools() {
		env.Cluster.RefuseJoins(p.ID, !yes)
	}
}

// anew takes the pods away, and makes them again when all are gone.
func anew(ctx context.Context, t *testing.T, env *Env) {
	t.Helper()
	in := client.InNamespace("planned")
	if err := env.Client.DeleteAllOf(ctx, &appsv1.Deployment{}, in, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	if err := Until(ctx, "the pods to go", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		var sets appsv1.ReplicaSetList
		var pods corev1.PodList
		err := errors.Join(env.Client.DeleteAllOf(ctx, &appsv1.ReplicaSet{}, in, client.PropagationPolicy(metav1.DeletePropagationBackground)),
			env.Client.DeleteAllOf(ctx, &corev1.Pod{}, in, client.GracePeriodSeconds(0)),
			env.Client.List(ctx, &sets, in), env.Client.List(ctx, &pods, in))
		return len(sets.Items)+len(pods.Items) == 0, fmt.Sprintf("%d sets and %d pods are left", len(sets.Items), len(pods.Items)), err
	}); err != nil {
		t.Fatal(err)
	}
	applyFile(ctx, t, env, "testdata/planned.yaml")
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
