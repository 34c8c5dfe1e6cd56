package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

func TestControlAnnotates(t *testing.T) {
	started := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	run := &v1alpha1.CycleStatus{Request: "tidemill.dev/upgrade-to=v1.35.0", StartedAt: started}
	for _, c := range []struct {
		name       string
		flags      controlFlags
		run        *v1alpha1.CycleStatus
		key, value string // "" for absent; "*" for any
		waits      string
		refused    string
	}{
		{"pause before anything is under way", controlFlags{pause: true}, nil, v1alpha1.AnnotationPause, "true", v1alpha1.AnnotationPause, ""},
		{"pause a run", controlFlags{pause: true}, run, v1alpha1.AnnotationPause, "true", v1alpha1.AnnotationPause, ""},
		{"resume", controlFlags{resume: true}, run, v1alpha1.AnnotationPause, "", v1alpha1.AnnotationPause, ""},
		{"abort", controlFlags{abort: true}, run, v1alpha1.AnnotationAbort, "*", v1alpha1.AnnotationUpgradeTo, ""},
		{"abort nothing", controlFlags{abort: true}, nil, v1alpha1.AnnotationAbort, "", "", "no run is under way"},
		{"approve", controlFlags{approve: true}, run, v1alpha1.AnnotationApprove, "2026-03-01T12:00:00Z", v1alpha1.AnnotationUpgradeTo, ""},
		{"roll back when all is over", controlFlags{rollback: true}, nil, v1alpha1.AnnotationRollback, "*", v1alpha1.AnnotationRollback, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			scheme, err := kube.NewScheme()
			if err != nil {
				t.Fatal(err)
			}
			pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}}
			if c.flags.resume {
				pool.Annotations = map[string]string{v1alpha1.AnnotationPause: "true"}
			}
			pool.Status.Cycle = c.run
			cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pool).WithStatusSubresource(pool).Build()
			var talk bytes.Buffer
			g := &globals{stderr: &talk}
			if err := cl.Get(t.Context(), client.ObjectKey{Name: "workers"}, pool); err != nil {
				t.Fatal(err)
			}
			pool.Status.Cycle = c.run
			key, _, err := g.control(t.Context(), cl, pool, c.flags)
			if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("control: %v, want %q", err, c.refused)
			}
			var now v1alpha1.Pool
			if err := cl.Get(t.Context(), client.ObjectKey{Name: "workers"}, &now); err != nil {
				t.Fatal(err)
			}
			got, there := now.Annotations[c.key]
			if c.value == "*" && !there || c.value != "*" && got != c.value || key != c.waits {
				t.Errorf("%s=%q, waits for %q; want %q and %q", c.key, got, key, c.value, c.waits)
			}
		})
	}
}

func TestControlIsOneWish(t *testing.T) {
	if err := (controlFlags{pause: true, abort: true}).check(""); err == nil || !strings.Contains(err.Error(), "--pause and --abort") {
		t.Errorf("two wishes: %v", err)
	}
	if err := (controlFlags{rollback: true}).check("v1.35.0"); err == nil {
		t.Error("--rollback --to was taken")
	}
	if err := (controlFlags{}).check("v1.35.0"); err != nil {
		t.Error(err)
	}
}

func TestETA(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	run := &v1alpha1.CycleStatus{StartedAt: metav1.NewTime(began), Replaced: 5, Stale: 15}
	if got := eta(run, began.Add(20*time.Minute)); got != ", about 1h0m0s left" {
		t.Errorf("eta = %q", got)
	}
	run.Replaced = 0
	if got := eta(run, began.Add(20*time.Minute)); got != "" {
		t.Errorf("eta before the first node: %q", got)
	}
}

// Whoever aborts a run and waits for that has what he wanted when it was aborted.
func TestAbortIsWaitedFor(t *testing.T) {
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}}
	pool.Status.Cycle = &v1alpha1.CycleStatus{Request: "tidemill.dev/upgrade-to=v1.35.0"}
	ended := pool.DeepCopy()
	ended.Status.Cycle, ended.Status.LastCycle = nil, &v1alpha1.LastCycleStatus{Request: pool.Status.Cycle.Request, Outcome: "Aborted", Message: "aborted by annotation"}
	cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ended).Build()
	var out, talk bytes.Buffer
	g := &globals{stdout: &out, stderr: &talk}
	if err := g.steer(t.Context(), cl, pool, cycleFlags{wait: true, controlFlags: controlFlags{abort: true}}); err != nil || !strings.Contains(out.String(), "Aborted") {
		t.Errorf("%v; %q", err, out.String())
	}
}
