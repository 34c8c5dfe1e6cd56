package scale

import (
	"fmt"
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// BenchmarkDown is 2,000 nodes with 40 pods each, three in five of which could
// go.
func BenchmarkDown(b *testing.B) {
	for _, nodes := range []int{250, 500, 1000, 2000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			w := worldtest.New()
			w.AddPool("workers", "16", "64Gi", worldtest.Scale(0, 2000))
			for i := range nodes {
				name := fmt.Sprintf("n%04d", i)
				n := w.AddNode("workers", name)
				cpu := "100m"
				if i%5 >= 3 {
					cpu = "240m"
				}
				n.Annotations[v1alpha1.AnnotationUnneededSince] = "2026-03-01T11:00:00Z"
				for j := range 40 {
					w.AddPod(fmt.Sprintf("%s-%02d", name, j), cpu, "100Mi", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", fmt.Sprintf("rs%d", j)))
				}
			}
			s := w.Snapshot()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				plan, err := Decide(s, Policy{MaxDrains: 2000})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(plan.Removals)), "removals")
			}
		})
	}
}
