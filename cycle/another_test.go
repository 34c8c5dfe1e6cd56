package cycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// A Pool that names its node pool by its name stands for another one when that is
// deleted in mid-run and made again, as by a Terraform that replaces it. The sizes on
// record are the other pool's: the run ends at once, and of the new pool no machine is
// made, and none goes for being one too many.
func TestARunOfAnotherNodePoolEndsAsItIs(t *testing.T) {
	now := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
	for _, size := range []int{2, 4, 6} {
		for _, paused := range []string{"false", "true"} {
			cloud := cloudprovider.NodePool{ID: "new", Name: "workers", Size: size, Release: newRelease}
			pool := &world.Pool{Name: "workers", Cloud: cloud, Object: &v1alpha1.Pool{
				ObjectMeta: metav1.ObjectMeta{Name: "workers", Annotations: map[string]string{v1alpha1.AnnotationPause: paused}},
				Spec:       v1alpha1.PoolSpec{NodePoolID: "workers", Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}},
				Status: v1alpha1.PoolStatus{Cycle: &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=" + newRelease.Kubernetes, NodePoolID: "old",
					StartedAt: metav1.NewTime(now.Add(-time.Hour)), Desired: 4, Greatest: 7, Least: 1, Previous: &v1alpha1.ReleaseStatus{Kubernetes: "v1.33.1"}}},
			}}
			for i := range size {
				name := fmt.Sprint("node-", i)
				pool.Nodes = append(pool.Nodes, &world.Node{
					Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(now.Add(-20 * time.Minute))},
						Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
							{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse}}}},
					Instance: &cloudprovider.Instance{ID: cloudprovider.InstanceID(name), State: cloudprovider.Running, Release: newRelease, Created: now.Add(-25 * time.Minute)},
				})
			}
			plan := Decide(&world.Snapshot{Now: now, Pools: []*world.Pool{pool}}, Policy{})
			if len(plan.Steps) != 1 || plan.Steps[0].Kind != FinishRun || !strings.Contains(plan.Steps[0].Message, "the run was about old") {
				t.Errorf("size %d, paused %s: decided %v; want the end of the run and nothing else", size, paused, plan.Steps)
			}
			if last := plan.Pools[0].Last; last == nil || last.Outcome != Aborted || last.Previous != nil {
				t.Errorf("size %d, paused %s: the record says %+v; want an end without the other pool's release to roll back to", size, paused, last)
			}
		}
	}
}

// The nodes that a turn-over was asked for are gone with their node pool: those of the new
// one are not replaced for it. An upgrade is about a version, and is looked at anew; a
// rollback has nowhere to go.
func TestWhatWasAskedOfAnotherNodePool(t *testing.T) {
	for key, want := range map[string]Kind{v1alpha1.AnnotationCycle: "", v1alpha1.AnnotationUpgradeTo: StartRun, v1alpha1.AnnotationRollback: RefuseRequest} {
		w, p, policy := upgrading()
		value := "v1.34.2"
		p.Annotations = map[string]string{key: value}
		p.Status.Cycle.Request, p.Status.Cycle.NodePoolID, p.Status.Cycle.Previous = key+"="+value, "old", &v1alpha1.ReleaseStatus{Kubernetes: "v1.33.1"}
		p.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: "drift=before", Outcome: Succeeded, Previous: &v1alpha1.ReleaseStatus{Kubernetes: "v1.32.1"}}
		first := Decide(seen(w), policy)
		p.Status.Cycle, p.Status.LastCycle = nil, first.Pools[0].Last
		got := Kind("")
		for _, s := range Decide(seen(w), policy).Steps {
			if s.Kind.record() || s.Kind == SetRelease {
				got = s.Kind
			}
		}
		if got != want {
			t.Errorf("%s: %q after the end of the run %v; want %q", key, got, first.Steps, want)
		}
	}
}
