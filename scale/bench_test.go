package scale

import (
	"fmt"
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// BenchmarkDecide is one look: replicas without room in a cluster that is full,
// and one with nothing to do but find that out.
func BenchmarkDecide(b *testing.B) {
	for _, size := range []struct{ nodes, perNode, pending int }{{0, 0, 60}, {100, 30, 60}, {500, 30, 1000}, {2000, 30, 0}} {
		b.Run(fmt.Sprintf("nodes=%d/pending=%d", size.nodes, size.pending), func(b *testing.B) {
			w := worldtest.New()
			w.AddPool("workers", "8", "64Gi", worldtest.Scale(0, 2000))
			for i := range size.nodes {
				name := fmt.Sprintf("n%04d", i)
				w.AddNode("workers", name)
				for j := range size.perNode {
					w.AddPod(fmt.Sprintf("%s-%02d", name, j), "250m", "256Mi", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", "old"))
				}
			}
			for i := range size.pending {
				w.AddPod(fmt.Sprintf("web-%04d", i), "1", "1Gi", worldtest.OwnedBy("ReplicaSet", "web"))
			}
			s := w.Snapshot()
			b.ResetTimer()
			for range b.N {
				if _, err := Decide(s, Policy{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHeadroom is one look at pools of which one has room for the loss of a
// zone: some of its nodes leave, and as many as a look examines might follow.
func BenchmarkHeadroom(b *testing.B) {
	for _, size := range []struct{ nodes, perNode int }{{60, 6}, {500, 3}, {1000, 3}} {
		b.Run(fmt.Sprintf("nodes=%d", size.nodes), func(b *testing.B) {
			w := worldtest.New()
			for _, pool := range []string{"workers", "batch"} {
				p := w.AddPool(pool, "8", "64Gi", worldtest.Scale(0, 2000), func(o *v1alpha1.Pool) { o.Spec.Scale.ZoneLossHeadroom = pool == "workers" })
				p.Placements = append(p.Placements, worldtest.Placement("AD-2", "8", "64Gi"), worldtest.Placement("AD-3", "8", "64Gi"))
				for i := range size.nodes {
					name := fmt.Sprintf("%s-n%04d", pool, i)
					n := w.AddNode(pool, name)
					if n.Annotations[v1alpha1.AnnotationUnneededSince] = "2026-03-01T11:00:00Z"; i%20 == 0 {
						kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseScaleDown, Reason: string(Underused), Since: w.Now, DrainStarted: &w.Now}))
					}
					for j := range size.perNode {
						w.AddPod(fmt.Sprintf("%s-%02d", name, j), "500m", "256Mi", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", "old"))
					}
				}
			}
			s := w.Snapshot()
			b.ResetTimer()
			for range b.N {
				plan, err := Decide(s, Policy{MaxDrains: 100})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(plan.Removals)), "removals")
			}
		})
	}
}
