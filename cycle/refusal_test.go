package cycle

import (
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// A person was told no; later the budget is raised, and a machine is lost and made
// anew by a run of its own. That run is not the person's: the pool is not turned
// over behind its end. Found by TestInvariants.
func TestARefusalIsNotForgotten(t *testing.T) {
	none := intstr.FromInt32(0)
	p := plot{
		set:      setting{size: 1, zones: 1, surge: none, unavailable: none, prepare: somebodys},
		capacity: 0, restore: 60, loses: 55, version: newRelease.Kubernetes, edits: true, brakes: 30,
	}
	p.set.spec = func(s *v1alpha1.CycleSpec) { s.Fallback = &v1alpha1.FallbackSpec{} }
	synctest.Test(t, func(t *testing.T) {
		if kept := p.play(t); kept[invDeadline] == 0 {
			t.Error("nothing was played")
		}
	})
}

// A run has replaced all that a pool of one had, its machines never came, and its size
// was taken back to none. What a percentage comes to is a matter of the size that the
// run is to end with: a newer request was refused for a size of 0, where nothing could
// ever have been replaced, and nothing else makes a node again (seed 86 of the simulation).
func TestANewerRequestIsMeasuredByTheDesiredSize(t *testing.T) {
	now := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
	share := intstr.FromString("25%")
	pool := &world.Pool{Name: "workers", Cloud: cloudprovider.NodePool{ID: "p", Size: 0}, Object: &v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: "workers", Annotations: map[string]string{v1alpha1.AnnotationCycle: "again"}},
		Spec:       v1alpha1.PoolSpec{NodePoolID: "p", Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: &share}},
		Status: v1alpha1.PoolStatus{Cycle: &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationCycle + "=first", StartedAt: metav1.NewTime(now.Add(-time.Hour)),
			Desired: 1, NodePoolID: "p", Replaced: 1, FailedJoins: []string{"a", "b", "c"}}},
	}}
	plan := Decide(&world.Snapshot{Now: now, Pools: []*world.Pool{pool}}, Policy{})
	if len(plan.Steps) != 1 || plan.Steps[0].Kind != StartRun || plan.Steps[0].Request != v1alpha1.AnnotationCycle+"=again" || plan.Steps[0].To != 1 {
		t.Errorf("decided %v; want a run for the newer request, at a size of 1", plan.Steps)
	}
}
