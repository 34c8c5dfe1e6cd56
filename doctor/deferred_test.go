package doctor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Whoever sees a broken node that nobody repairs can read why on the node itself, once
// for each reason.
func TestWhatWaitsSaysForWhat(t *testing.T) {
	problem := "Warning NodeProblem"
	for name, c := range map[string]struct {
		mode   v1alpha1.RepairMode
		change func(*practice, *corev1.Node) client.Object
		want   []string
	}{
		"the pool is paused": {v1alpha1.RepairOn, func(p *practice, _ *corev1.Node) client.Object {
			pool := p.pool(t)
			pool.Annotations = map[string]string{v1alpha1.AnnotationPause: ""}
			return pool
		}, []string{problem, "Normal RepairDeferred"}},
		"nobody may touch the node": {v1alpha1.RepairOn, func(_ *practice, n *corev1.Node) client.Object {
			n.Annotations[v1alpha1.AnnotationDoNotDisrupt] = "true"
			return n
		}, []string{problem, "Normal RepairDeferred"}},
		"somebody has asked already": {v1alpha1.RepairOn, func(_ *practice, n *corev1.Node) client.Object {
			n.Annotations[v1alpha1.AnnotationCycle] = "please" // and a gate may hold that for ever
			return n
		}, []string{problem, "Normal RepairDeferred"}},
		"nothing is repaired here": {v1alpha1.RepairDryRun, func(_ *practice, n *corev1.Node) client.Object {
			n.Annotations[v1alpha1.AnnotationDoNotDisrupt] = "true"
			return n
		}, []string{problem}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := practiceOf(t, 5, repairs(c.mode))
				p.look(t)
				n := p.node(t, "n1")
				if n.Annotations == nil {
					n.Annotations = map[string]string{}
				}
				if err := p.api.Update(t.Context(), c.change(p, n)); err != nil {
					t.Fatal(err)
				}
				p.kubelet(t, "n1", corev1.ConditionUnknown)
				for range 40 {
					time.Sleep(30 * time.Second)
					p.look(t)
				}
				if diff := cmp.Diff(c.want, p.told()); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}
