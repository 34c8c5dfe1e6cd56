package scale

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func TestTellingBacksOff(t *testing.T) {
	var at []time.Duration
	var x telling
	start := time.Unix(0, 0)
	for now := time.Duration(0); now < 100*time.Hour; now += 10 * time.Second {
		if x.due("a", start.Add(now)) {
			x = x.said("a", start.Add(now))
			at = append(at, now)
		}
	}
	want := []time.Duration{0, 1 * time.Hour, 3 * time.Hour, 7 * time.Hour, 15 * time.Hour, 31 * time.Hour, 55 * time.Hour, 79 * time.Hour}
	if len(at) != len(want) {
		t.Fatalf("said at %v, want %v", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Fatalf("said at %v, want %v", at, want)
		}
	}
	if x.due("b", x.at.Add(time.Minute)) || !x.due("b", x.at.Add(time.Hour)) {
		t.Error("another reason is told after ten minutes, not at once and not never")
	}
}

// TestABlockedNodeIsToldOnce: a pod that may not be moved keeps its node; the
// event comes once and not at every look.
func TestABlockedNodeIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		id := p.pool("workers", 2, "AD-1", 0, 3)
		time.Sleep(time.Minute)
		p.join(id)
		time.Sleep(time.Hour)
		var nodes corev1.NodeList
		if err := p.api.List(t.Context(), &nodes); err != nil || len(nodes.Items) != 2 {
			t.Fatalf("%d nodes: %v", len(nodes.Items), err)
		}
		p.pods("stubborn", 1, "250m", worldtest.On(nodes.Items[0].Name), worldtest.Annotations[*corev1.Pod](v1alpha1.AnnotationSafeToEvict, "false"))
		for range 30 {
			p.look()
			time.Sleep(10 * time.Second)
		}
		if n, last := p.said(eventStays); n != 1 {
			t.Errorf("%d events, want one: %s", n, last)
		}
	})
}
