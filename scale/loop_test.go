package scale

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/kube"
)

// TestSixtyPodsMakeOneResize: pods that are still being created are waited for,
// and growth that is on its way is not asked for twice.
func TestSixtyPodsMakeOneResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{Launch: time.Minute, Boot: time.Minute})
		id := p.pool("workers", 0, "ZONE-1", 0, 50)
		r := prometheus.NewRegistry()
		if err := p.Register(r); err != nil {
			t.Fatal(err)
		}
		go func() {
			for i := range 60 {
				p.pods(fmt.Sprintf("web%02d", i), 1, "1")
				time.Sleep(10 * time.Millisecond)
			}
		}()
		time.Sleep(5 * time.Millisecond)
		plan := p.look()
		want := []string{string(id) + " 0->15"}
		equal(t, "resizes", p.resizes(), want)
		if n, last := p.said(eventTriggered); n != 60 || !strings.Contains(last, "[{workers 0->15 (max: 50)}]") {
			t.Errorf("%d events, the last %q", n, last)
		}
		if len(plan.Grows) != 1 || len(plan.Grows[0].Pods) != 60 {
			t.Errorf("plan:\n%s", plan)
		}
		if n := testutil.ToFloat64(p.metrics.up); n != 15 {
			t.Errorf("scaled_up_nodes_total = %v", n)
		}
		for range 3 {
			p.look()
			time.Sleep(30 * time.Second)
		}
		p.restart()
		p.look()
		equal(t, "resizes while machines launch, also after a restart", p.resizes(), want)
		p.join(id)
		p.look()
		equal(t, "resizes after the nodes joined", p.resizes(), want)
	})
}

// TestFailedGrowthIsTakenBackAndTheNextPoolServes tells the oldest complaint
// about OKE: out of host capacity.
func TestFailedGrowthIsTakenBackAndTheNextPoolServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		a, b := p.pool("a", 0, "ZONE-A", 0, 5), p.pool("b", 0, "ZONE-B", 0, 5)
		p.cloud.SetCapacity("ZONE-A", 0)
		p.pods("web", 2, "3")
		p.look()
		p.look()
		equal(t, "resizes", p.resizes(), []string{string(a) + " 0->2", string(a) + " 2->0", string(b) + " 0->2"})
		if n, last := p.said(eventFailed); n != 1 || !strings.Contains(last, "OutOfHostCapacity") {
			t.Errorf("%d failures told, the last %q", n, last)
		}
		object := get(p, "a", &v1alpha1.Pool{})
		rec, c := object.Status.Scale, meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionScaleBlocked)
		if rec == nil || rec.Failures != 1 || rec.Reason != "OutOfHostCapacity" || time.Until(rec.BackoffUntil.Time).Round(time.Minute) != 5*time.Minute {
			t.Errorf("record = %+v", rec)
		}
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != string(BackedOff) {
			t.Errorf("condition = %+v", c)
		}

		// After the wait, and a restart, the pool is tried again and fails again:
		// the wait doubles. Then there is capacity, and all is forgotten.
		time.Sleep(6 * time.Minute)
		p.restart()
		p.join(b)
		p.pods("more", 4, "3")
		p.look()
		p.look()
		rec = get(p, "a", &v1alpha1.Pool{}).Status.Scale
		if rec == nil || rec.Failures != 2 || time.Until(rec.BackoffUntil.Time).Round(time.Minute) != 10*time.Minute {
			t.Errorf("second record = %+v", rec)
		}
		p.cloud.SetCapacity("ZONE-A", 10)
		time.Sleep(11 * time.Minute)
		p.join(b)
		p.pods("last", 3, "3")
		p.look()
		p.join(a)
		p.look()
		if rec = get(p, "a", &v1alpha1.Pool{}).Status.Scale; rec != nil {
			t.Errorf("record after a growth that came: %+v", rec)
		}
	})
}

// TestIdleNodeLeavesAndComesBack: the timer is on the Node and survives a
// restart; mark and cordon come in one write; a pod gets the node back.
func TestIdleNodeLeavesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		id := p.pool("workers", 2, "ZONE-1", 1, 5)
		p.join(id)
		time.Sleep(5 * time.Minute)
		p.look()
		time.Sleep(9 * time.Minute)
		p.restart()
		if plan := p.look(); len(plan.Removals) != 0 {
			t.Fatalf("too early:\n%s", plan)
		}
		time.Sleep(2 * time.Minute)
		before := p.patches
		plan := p.look()
		if len(plan.Removals) != 1 || p.patches != before+1 {
			t.Fatalf("%d writes:\n%s", p.patches-before, plan)
		}
		name := plan.Removals[0].Node
		n := get(p, name, &corev1.Node{})
		m, err := kube.MarkOf(n)
		if err != nil || m == nil || m.Cause != kube.CauseScaleDown || m.Reason != string(Empty) || !m.Cordoned || !n.Spec.Unschedulable {
			t.Fatalf("mark %+v, %v, unschedulable %v", m, err, n.Spec.Unschedulable)
		}
		if got, _ := p.said(eventRemovedEmpty); got != 1 {
			t.Errorf("%d events", got)
		}
		if plan = p.look(); plan.Actions() != 0 {
			t.Fatalf("looks again:\n%s", plan)
		}
		p.pods("web", 2, "3")
		if plan = p.look(); len(plan.Keeps) != 1 || len(plan.Grows) != 0 {
			t.Fatalf("with pods waiting:\n%s", plan)
		}
		n = get(p, name, &corev1.Node{})
		if _, marked := n.Annotations[v1alpha1.AnnotationDisruption]; marked || n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationUnneededSince] != "" {
			t.Errorf("something is left on the node: %v %v", n.Annotations, n.Spec)
		}
		equal(t, "resizes", p.resizes(), nil)
	})
}

// TestOneFailureStopsNothingElse: a node that cannot be written and a pool that
// cannot be resized leave the others served, and are reported.
func TestOneFailureStopsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		a := p.pool("a", 0, "ZONE-1", 0, 2)
		b := p.pool("b", 0, "ZONE-2", 0, 3)
		idle := p.pool("idle", 2, "ZONE-3", 0, 2)
		p.join(idle)
		var nodes corev1.NodeList
		if err := p.api.List(t.Context(), &nodes); err != nil {
			t.Fatal(err)
		}
		for i := range nodes.Items {
			nodes.Items[i].Spec.Taints = []corev1.Taint{{Key: "idle", Effect: corev1.TaintEffectNoSchedule}}
			if err := p.api.Update(t.Context(), &nodes.Items[i]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		p.pods("web", 10, "2")
		p.broken[nodes.Items[0].Name] = errors.New("the API server has a bad day")
		p.cloud.FailNext("Resize", cloudprovider.ErrQuota)
		_, err := p.Once(t.Context())
		if err == nil || !strings.Contains(err.Error(), "bad day") || !errors.Is(err, cloudprovider.ErrQuota) {
			t.Errorf("errors: %v", err)
		}
		equal(t, "resizes", p.resizes(), []string{string(a) + " 0->2", string(b) + " 0->3"})
		if get(p, nodes.Items[1].Name, &corev1.Node{}).Annotations[v1alpha1.AnnotationUnneededSince] == "" {
			t.Error("the other idle node has no timer")
		}
		rec := get(p, "a", &v1alpha1.Pool{}).Status.Scale
		if rec == nil || rec.Reason != "LimitExceeded" {
			t.Errorf("the refused pool's record: %+v", rec)
		}
		p.broken = nil
		if plan := p.look(); len(plan.Grows) > 0 {
			t.Errorf("the refused pool is asked again at once:\n%s", plan)
		}
	})
}

// TestConflictIsNoFailure: somebody else resized the pool between look and
// write; the pool is not backed off, and the next look decides anew.
func TestConflictIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{Launch: time.Minute})
		id := p.pool("workers", 0, "ZONE-1", 0, 5)
		p.pods("web", 1, "3")
		p.cloud.FailNext("Resize", cloudprovider.ErrConflict)
		p.look()
		if rec := get(p, "workers", &v1alpha1.Pool{}).Status.Scale; rec != nil {
			t.Errorf("backed off for a conflict: %+v", rec)
		}
		p.look()
		equal(t, "resizes", p.resizes(), []string{string(id) + " 0->1", string(id) + " 0->1"})
	})
}

// TestGrowthInARunRaisesItsDesiredSize and leaves the cloud to the cycle.
func TestGrowthInARunRaisesItsDesiredSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		id := p.pool("workers", 1, "ZONE-1", 1, 5)
		p.join(id)
		part := kube.CyclePart{Cycle: &v1alpha1.CycleStatus{Request: "r", StartedAt: metav1.Now(), Desired: 1}}
		if err := kube.ApplyPoolStatus(t.Context(), p.api, get(p, "workers", &v1alpha1.Pool{}), v1alpha1.OwnerCycle, &part, false); err != nil {
			t.Fatal(err)
		}
		p.pods("web", 3, "3")
		p.look()
		p.look()
		if run := get(p, "workers", &v1alpha1.Pool{}).Status.Cycle; run == nil || run.Desired != 3 {
			t.Errorf("run = %+v, want desired 3", run)
		}
		equal(t, "resizes", p.resizes(), nil)
	})
}

// TestReasonIsToldOnce, and again when it is another.
func TestReasonIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.pool("workers", 0, "ZONE-1", 0, 5)
		p.pods("huge", 2, "64")
		p.look()
		p.look()
		if n, last := p.said(eventNotTriggered); n != 2 || !strings.Contains(last, "Insufficient cpu") {
			t.Errorf("%d events, the last %q", n, last)
		}
		if n := testutil.ToFloat64(p.metrics.unschedulable.WithLabelValues(typeUnprocessed)); n != 2 {
			t.Errorf("unschedulable_pods_count of pods that the scheduler has yet to try = %v", n)
		}
		p.refuse("huge")
		p.look()
		if n := testutil.ToFloat64(p.metrics.unschedulable.WithLabelValues(typeRefused)); n != 2 {
			t.Errorf("unschedulable_pods_count of pods that the scheduler has refused = %v", n)
		}
		object := get(p, "workers", &v1alpha1.Pool{})
		object.Spec.Scale = nil
		if err := p.api.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		p.look()
		p.look()
		if n, _ := p.said(eventNotTriggered); n != 0 {
			t.Errorf("%d events although no pool scales", n)
		}
		if c := get(p, "workers", &v1alpha1.Pool{}).Status.Conditions; len(c) != 0 {
			t.Errorf("conditions left after scaling was switched off: %v", c)
		}
	})
}

// TestRunLooksWhenWoken and at each interval, and ends with its context.
func TestRunLooksWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{Launch: time.Minute})
		p.pool("workers", 0, "ZONE-1", 0, 5)
		wake := make(chan struct{}, 1)
		p.Wake, p.Interval = wake, time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(2 * time.Second)
		p.pods("web", 1, "1")
		start := time.Now()
		wake <- struct{}{}
		time.Sleep(time.Second)
		if len(p.resizes()) != 1 {
			t.Errorf("no growth within %s of the wake", time.Since(start))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
