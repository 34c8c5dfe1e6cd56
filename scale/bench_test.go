package scale

import (
	"fmt"
	"testing"

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
