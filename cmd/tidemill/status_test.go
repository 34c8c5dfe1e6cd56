package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func demoSeen() seen {
	pool := func(name string, edit func(*v1alpha1.Pool)) v1alpha1.Pool {
		p := v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name}}
		p.Status = v1alpha1.PoolStatus{Size: 3, Ready: 3, Activity: "idle", Release: &v1alpha1.ReleaseStatus{Kubernetes: "v1.34.1"}}
		edit(&p)
		return p
	}
	condition := func(t string, s metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: t, Status: s, Reason: reason, Message: message}
	}
	pod := func(name, condition string) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
		if condition != "" {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: condition}}
		}
		return p
	}
	event := func(pod, note string, at time.Duration) corev1.Event {
		return corev1.Event{
			InvolvedObject: corev1.ObjectReference{Namespace: "shop", Name: pod}, Message: note,
			EventTime: metav1.NewMicroTime(time.Unix(0, 0).Add(at)),
		}
	}
	const nothingFits = "pod didn't trigger scale-up: NoPoolFits, workers: DoesNotFit"
	return seen{
		pools: []v1alpha1.Pool{
			pool("arm", func(p *v1alpha1.Pool) {
				p.Spec.Scale = &v1alpha1.ScaleSpec{MinSize: 1, MaxSize: 50}
				p.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionScaleBlocked, metav1.ConditionTrue, "OutOfHostCapacity", "no room in AD-1"), condition(v1alpha1.ConditionReady, metav1.ConditionTrue, "NodePoolFound", "")}
			}),
			pool("fresh", func(p *v1alpha1.Pool) { p.Status = v1alpha1.PoolStatus{} }),
			pool("gone", func(p *v1alpha1.Pool) {
				p.Status.Activity = "gone from OKE"
				p.Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "NodePoolNotFound", "it was deleted")}
			}),
			pool("refused", func(p *v1alpha1.Pool) {
				p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
				p.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: "tidemill.dev/upgrade-to=v9.9.9", Outcome: "Refused", Message: "too new"}
			}),
			pool("workers", func(p *v1alpha1.Pool) {
				p.Spec = v1alpha1.PoolSpec{Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}, Repair: &v1alpha1.RepairSpec{Mode: v1alpha1.RepairDryRun}}
				p.Status.Size, p.Status.Outdated, p.Status.Activity = 4, 2, "cycling 1/3 to v1.35.0"
				p.Status.Cycle = &v1alpha1.CycleStatus{Request: "tidemill.dev/upgrade-to=v1.35.0", Desired: 3, Blocked: []v1alpha1.BlockedNode{
					{Node: "10.0.0.1", Reason: "DrainBlocked", Message: "PDB shop/web allows none\x1b[2J"}, {Node: "10.0.0.2", Reason: "BelowFloor", Message: "3 must remain"}, {Node: "10.0.0.3", Reason: "BelowFloor", Message: "3 must remain"},
				}}
			}),
		},
		nodes: []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "stranger"}}, {ObjectMeta: metav1.ObjectMeta{Name: "10.0.0.1"}, Spec: corev1.NodeSpec{ProviderID: "x"}}},
		pods: []corev1.Pod{
			pod("web-1", "0/3 nodes are available"), pod("web-2", "0/3 nodes are available"), pod("new", ""), pod("old-news", "0/3 nodes are available"),
			{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bound"}, Spec: corev1.PodSpec{NodeName: "n"}},
		},
		events: []corev1.Event{event("web-1", nothingFits, 2), event("web-1", "pod didn't trigger scale-up: PoolAtMax, older", 1), event("web-2", nothingFits, 1)},
	}
}

func TestStatusReads(t *testing.T) {
	r, err := statusOf(demoSeen(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (&globals{}).writeStatus(&b, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/status.golden", b.String())
}

func TestStatusOfOnePool(t *testing.T) {
	r, err := statusOf(demoSeen(), []string{"arm"})
	if err != nil || len(r.Pools) != 1 || len(r.Waiting) != 1 {
		t.Errorf("%+v, %v: want the pool arm alone, and why it waits", r, err)
	}
	var f *failure
	if _, err := statusOf(demoSeen(), []string{"arm", "nosuch"}); !errors.As(err, &f) || f.code != exitNo {
		t.Errorf("error %v, want exit code 1 for a pool that is not there", err)
	}
}

var update = flag.Bool("update", false, "rewrite the golden files and the generated documents")

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
