package scale

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// choosy is pods of many sizes before pools of many sizes, half of which want one
// pool: what a search packs tightly and first fit does not.
func choosy(pods int, pick func(int) int) *worldtest.World {
	w := worldtest.New()
	for i, size := range []struct{ cpu, memory string }{{"2", "8Gi"}, {"4", "16Gi"}, {"8", "32Gi"}, {"4", "64Gi"}, {"16", "32Gi"}} {
		name := fmt.Sprintf("pool-%d", i)
		p := w.AddPool(name, size.cpu, size.memory, worldtest.Scale(0, 300))
		have := p.Placements[0].Template.Status.Allocatable
		p.Placements[0].Price = 0.015*have.Cpu().AsApproximateFloat64() + 0.002*have.Memory().AsApproximateFloat64()/(1<<30)
		p.Placements[0].Template.Labels["pool"] = name
	}
	for i := range pods {
		shape := pick(12)
		w.AddPod(fmt.Sprintf("pod-%03d", i), fmt.Sprintf("%dm", 150+110*shape), fmt.Sprintf("%dMi", 200+(i*shape)%5*700), worldtest.OwnedBy("ReplicaSet", "web"), func(p *corev1.Pod) {
			if shape%3 == 0 {
				p.Spec.NodeSelector = map[string]string{"pool": fmt.Sprintf("pool-%d", shape%5)}
			}
		})
	}
	return w
}

// TestWhatIsComingIsEnough: looks that are made while the machines of the first
// one are on their way, or some of them there and nothing on them yet, ask for no
// more. No look is told anything of another: it is as if the daemon were a new one
// each time.
func TestWhatIsComingIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := choosy(rapid.IntRange(20, 120).Draw(t, "pods"), func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "shape") })
		first := lookAndLaunch(t, w, 0)
		again, err := Decide(w.Snapshot(), unfused)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Grows) > 0 {
			t.Fatalf("look 1: %v\nlook 2: %v", first.Grows, again.Grows)
		}
	})
}

var unfused = Policy{MaxGrowth: 1000}

// lookAndLaunch decides, and lets the machines be on their way or just there.
func lookAndLaunch(t *rapid.T, w *worldtest.World, serial int) Plan {
	plan, err := Decide(w.Snapshot(), unfused)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range plan.Grows {
		for range g.To - g.From {
			serial++
			if name := fmt.Sprintf("n%03d", serial); rapid.Bool().Draw(t, "there") {
				n := w.AddNode(g.Pool, name)
				n.CreationTimestamp.Time = w.Now
				in := w.Cloud.Instances[worldtest.PoolID(g.Pool)]
				in[len(in)-1].Created = w.Now
			} else {
				w.AddInstance(g.Pool, name, cloudprovider.Creating).Created = w.Now
			}
		}
	}
	return plan
}

// TestWhatCameInTurnsIsEnough: pods come, machines are made for them, more pods come,
// and machines for these: who sees that for the first time asks for nothing more. A
// pod that no machine could ever help changes nothing for the others.
func TestWhatCameInTurnsIsEnough(t *testing.T) {
	most := 0
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "shape") }
		w := choosy(rapid.IntRange(20, 60).Draw(t, "pods"), pick)
		if rapid.Bool().Draw(t, "hopeless") {
			w.AddPod("hopeless", "500", "1Gi")
		}
		lookAndLaunch(t, w, 0)
		w.Now = w.Now.Add(20 * time.Second)
		for i := range rapid.IntRange(1, 30).Draw(t, "late") {
			w.AddPod(fmt.Sprintf("late-%03d", i), fmt.Sprintf("%dm", 150+110*pick(12)), fmt.Sprintf("%dMi", 200+pick(5)*700), func(p *corev1.Pod) {
				p.CreationTimestamp.Time = w.Now
			})
		}
		w.Now = w.Now.Add(2 * time.Second)
		second := lookAndLaunch(t, w, 500)
		again, err := Decide(w.Snapshot(), unfused)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Grows) > 0 {
			t.Fatalf("look 2: %v\nlook 3: %v", second.Grows, again.Grows)
		}
		most = max(most, len(second.Grows))
	})
	if most == 0 {
		t.Error("no second look ever asked for anything")
	}
}

// TestBerthsAreTriedNotTrusted: what a rehearsal says puts no pod where it
// does not fit, and what it says of pods and pools that are gone is nothing.
func TestBerthsAreTriedNotTrusted(t *testing.T) {
	w := worldtest.New()
	w.AddPool("small", "2", "8Gi", worldtest.Scale(0, 9))
	w.AddPool("large", "8", "32Gi", worldtest.Scale(0, 9))
	w.AddInstance("small", "n1", cloudprovider.Creating).Created = w.Now
	pod := w.AddPod("web", "4", "1Gi")
	lies := []berth{{place{"gone", ""}, nil}, {place{"small", "AD-1"}, []types.UID{pod.UID, "nobody", pod.UID}}, {place{"small", "AD-1"}, []types.UID{pod.UID}}}
	d, left, err := growth(w.Snapshot(), Policy{}, nil, nil, nil, func(d *decision) { d.bought = lies })
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 || len(d.plan.Grows) != 1 || d.plan.Grows[0].Pool != "large" {
		t.Errorf("grows %v, leaves %v", d.plan.Grows, left)
	}
}
