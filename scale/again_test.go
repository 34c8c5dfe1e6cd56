package scale

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// town is a pool with headroom and one without, which stays as it is, and pods that a
// scheduler moves: what scale-down lets go leaves, and what growth asks for comes.
type town struct {
	nodes []*house
	made  int
}

type house struct {
	name, pool string
	zone       int
	marked     bool
	pods       []int // thousandths of a core
}

const houseRoom = 4000

func drawTown(r *rand.Rand) *town {
	t := &town{}
	for range 4 + r.IntN(6) {
		t.add("workers")
	}
	for range r.IntN(3) {
		t.add("batch")
	}
	for range 3 + r.IntN(12) {
		if h := t.nodes[r.IntN(len(t.nodes))]; true {
			if cpu := []int{500, 900, 1600, 2400}[r.IntN(4)]; h.free() >= cpu {
				h.pods = append(h.pods, cpu)
			}
		}
	}
	return t
}

// add makes a node in the zone that has the fewest of the pool's.
func (t *town) add(pool string) {
	var in [3]int
	for _, h := range t.nodes {
		if h.pool == pool {
			in[h.zone]++
		}
	}
	t.made++
	t.nodes = append(t.nodes, &house{name: fmt.Sprintf("n%02d", t.made), pool: pool, zone: slices.Index(in[:], slices.Min(in[:]))})
}

func (h *house) free() int {
	free := houseRoom
	for _, cpu := range h.pods {
		free -= cpu
	}
	return free
}

// look is what is decided of the town as it is.
func (t *town) look(test *testing.T) Plan {
	w := worldtest.New()
	for _, pool := range []string{"workers", "batch"} {
		p := w.AddPool(pool, "4", "64Gi", worldtest.Scale(0, 30), func(o *v1alpha1.Pool) {
			o.Spec.Scale.ZoneLossHeadroom = pool == "workers"
			o.Spec.Scale.Down = &v1alpha1.ScaleDownSpec{Disabled: pool == "batch"}
		})
		p.Placements = append(p.Placements, worldtest.Placement("AD-2", "4", "64Gi"), worldtest.Placement("AD-3", "4", "64Gi"))
	}
	for _, h := range t.nodes {
		n := w.AddNode(h.pool, h.name)
		zone := w.Cloud.Pools[0].Placements[h.zone].Zone
		n.Labels[corev1.LabelTopologyZone] = string(zone)
		instance(w, h.name).Zone = zone
		n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Hour).Format(time.RFC3339)
		if h.marked {
			m := kube.Mark{Cause: kube.CauseScaleDown, Reason: string(Underused), Since: w.Now, DrainStarted: &w.Now}
			kube.SetMark(n, kube.Cordon(n, m))
		}
		for i, cpu := range h.pods {
			w.AddPod(fmt.Sprintf("%s-%d", h.name, i), fmt.Sprintf("%dm", cpu), "1Gi", worldtest.On(h.name), worldtest.OwnedBy("ReplicaSet", "web"))
		}
	}
	plan, err := Decide(w.Snapshot(), Policy{MaxDrains: 2})
	if err != nil {
		test.Fatal(err)
	}
	return plan
}

// grow has what was asked for come.
func (t *town) grow(plan Plan) {
	for _, g := range plan.Grows {
		for range g.To - g.From {
			t.add(g.Pool)
		}
	}
}

// mark marks what is let go.
func (t *town) mark(plan Plan) {
	for _, r := range plan.Removals {
		for _, h := range t.nodes {
			h.marked = h.marked || h.name == r.Node
		}
	}
}

// drain moves the pods of the first n marked nodes to the emptiest ones, as the scheduler
// does, and takes the nodes away.
func (t *town) drain(n int) bool {
	for range n {
		at := slices.IndexFunc(t.nodes, func(h *house) bool { return h.marked })
		if at < 0 {
			return true
		}
		gone := t.nodes[at]
		t.nodes = slices.Delete(t.nodes, at, at+1)
		for _, cpu := range gone.pods {
			var to *house
			for _, h := range t.nodes {
				if !h.marked && h.free() >= cpu && (to == nil || h.free() > to.free()) {
					to = h
				}
			}
			if to == nil {
				return false // it waits for a node, and one may come for it
			}
			to.pods = append(to.pods, cpu)
		}
	}
	return true
}

// TestWhatGoesIsNotMadeAgain: in 300 towns at rest, nothing that scale-down lets
// go, in one look or in two with drains between, is asked for again when the pods are
// where the scheduler puts them.
func TestWhatGoesIsNotMadeAgain(test *testing.T) {
	gone, bad := 0, 0
	for seed := range 300 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		t := drawTown(r)
		plan := t.look(test)
		for range 10 {
			if len(plan.Grows) == 0 {
				break
			}
			t.grow(plan)
			plan = t.look(test)
		}
		before := *t
		said := plan.String()
		ok := true
		for range 3 {
			gone += len(plan.Removals)
			t.mark(plan)
			if ok = t.drain(r.IntN(2)); !ok {
				break
			}
			if plan = t.look(test); len(plan.Grows) > 0 {
				break
			}
			said += "--\n" + plan.String()
		}
		t.mark(plan)
		if ok = ok && t.drain(len(t.nodes)); !ok {
			continue
		}
		if after := t.look(test); len(after.Grows) > 0 {
			bad++
			if bad < 4 {
				test.Errorf("seed %d, %d nodes:\n%s\nand after that\n%s", seed, len(before.nodes), said, after)
			}
		}
	}
	test.Logf("%d nodes went, %d towns grew again", gone, bad)
	if gone < 300 {
		test.Errorf("%d nodes went: the test proves nothing", gone)
	}
}
