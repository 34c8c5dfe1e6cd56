package scale

import "testing"

// TestHeaviestByCoresAndMemory: eight nodes hold a pod of each kind, if what
// takes much of either is placed first. By cores alone, or by memory alone, the
// same pods cost thirteen; so they do where one absurd pod makes the memory of
// all others look like nothing.
func TestHeaviestByCoresAndMemory(t *testing.T) {
	const pool = "pool workers cpu=8 memory=32Gi max=99\n"
	for name, world := range map[string]string{
		"memory is heavy": `
			pod crunch count=8 cpu=3 memory=2Gi
			pod middle count=8 cpu=2 memory=8Gi
			pod cache count=8 cpu=1 memory=20Gi`,
		"cores are heavy": `
			pod store count=8 cpu=500m memory=12Gi
			pod middle count=8 cpu=2 memory=8Gi
			pod batch count=8 cpu=5 memory=4Gi`,
		"one asks for what there is not": `
			pod crunch count=8 cpu=3 memory=2Gi
			pod middle count=8 cpu=2 memory=8Gi
			pod cache count=8 cpu=1 memory=20Gi
			pod absurd cpu=1 memory=900Ti`,
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := decideStory(t, pool+world)
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Grows) != 1 || len(plan.Grows[0].Pods) != 24 || plan.Grows[0].To != 8 {
				t.Errorf("want 8 nodes for 24 pods:\n%s", plan)
			}
		})
	}
}
