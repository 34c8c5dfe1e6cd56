package cycle

import (
	"fmt"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func TestRounding(t *testing.T) {
	for _, c := range []struct {
		surge, unavailable  string
		desired             int
		wantSurge, wantGone int
	}{
		{"", "", 10, 1, 0},
		{"1", "0", 0, 1, 0},
		{"10%", "10%", 10, 1, 1},
		{"10%", "10%", 11, 2, 1},
		{"10%", "10%", 9, 1, 0},
		{"10%", "10%", 0, 0, 0},
		{"1%", "99%", 3, 1, 2},
		{"100%", "100%", 7, 7, 7},
		{"0", "3", 2, 0, 3},
	} {
		spec := &v1alpha1.CycleSpec{}
		if c.surge != "" {
			s, u := intstr.Parse(c.surge), intstr.Parse(c.unavailable)
			spec.MaxSurge, spec.MaxUnavailable = &s, &u
		}
		b, err := BudgetOf(spec, c.desired, 1)
		if err != nil || b.Surge != c.wantSurge || b.Unavailable != c.wantGone {
			t.Errorf("surge %q, unavailable %q of %d: %+v, %v; want %d, %d", c.surge, c.unavailable, c.desired, b, err, c.wantSurge, c.wantGone)
		}
		if b.Floor() < 0 || b.ZoneFloor() < 0 {
			t.Errorf("negative floor: %+v", b)
		}
	}
	bad := intstr.FromString("ten")
	if _, err := BudgetOf(&v1alpha1.CycleSpec{MaxSurge: &bad}, 3, 1); err == nil {
		t.Error("maxSurge ten was taken")
	}
}

// growSlowly adds one machine at a time as long as each is both wanted and
// allowed.
func growSlowly(b Budget, size, machines, stale int) int {
	grown := 0
	for {
		extra := 0 // nodes beyond desired that would be there for stale ones
		for i := 0; i < stale && i < b.Surge; i++ {
			extra++
		}
		if size+grown >= b.Desired+extra || machines+grown >= b.Desired+b.Surge {
			return grown
		}
		grown++
	}
}

func TestGrowAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int { return rapid.IntRange(0, 12).Draw(t, name) }
		b := Budget{Desired: n("desired"), Surge: n("surge"), Unavailable: n("unavailable")}
		size, stale := n("size"), n("stale")
		machines := size + n("terminating")
		got := b.Grow(size, machines, stale)
		if want := growSlowly(b, size, machines, stale); got != want {
			t.Fatalf("grow = %d, twin says %d", got, want)
		}
		if got > 0 && machines+got > b.Ceiling() {
			t.Fatalf("grow by %d to %d machines, at most %d", got, machines+got, b.Ceiling())
		}
		if stale == 0 && got > 0 && size+got > b.Desired {
			t.Fatalf("nothing is stale and the size goes to %d of %d", size+got, b.Desired)
		}
	})
}

// takeSlowly picks nodes one after the other and counts the whole pool anew
// before each.
func takeSlowly(b Budget, slots int, ordered []*world.Node) map[string]bool {
	taken := map[string]bool{}
	available := func(zone cloudprovider.Zone) int {
		count := 0
		for _, n := range ordered {
			if n.Available() && !taken[n.Name()] && (zone == "" || n.Zone() == zone) {
				count++
			}
		}
		return count
	}
	bad := 0
	for _, n := range ordered {
		if n.Stage() == world.StageBroken {
			bad++
		}
	}
	for _, n := range ordered {
		switch {
		case len(taken) == slots:
		case n.Stage() == world.StageBroken:
			taken[n.Name()] = bad <= b.Brake() || available("") >= b.Floor()
		case n.Available():
			taken[n.Name()] = available("")-1 >= b.Floor() && available(n.Zone())-1 >= b.ZoneFloor()
		}
		if !taken[n.Name()] {
			delete(taken, n.Name())
		}
	}
	return taken
}

// anyPool draws a pool in the middle of a run.
func anyPool(t *rapid.T) (*world.Snapshot, Budget) {
	zones := []cloudprovider.Zone{"A", "B", "C"}
	w := worldtest.New()
	cloud := w.AddPool("workers", "4", "16Gi", worldtest.Annotations[*v1alpha1.Pool](v1alpha1.AnnotationCycle, "now"))
	cloud.Placements = nil
	for _, z := range zones[:rapid.IntRange(1, 3).Draw(t, "zones")] {
		cloud.Placements = append(cloud.Placements, worldtest.Placement(z, "4", "16Gi"))
	}
	count := rapid.IntRange(1, 12).Draw(t, "nodes")
	for i := range count {
		n := w.AddNode("workers", fmt.Sprintf("n%02d", i))
		if rapid.IntRange(0, 4).Draw(t, "broken") == 0 {
			n.Status.Conditions[0].Status = corev1.ConditionUnknown
		}
		in := &w.Cloud.Instances[cloud.ID][i]
		in.Zone = zones[rapid.IntRange(0, len(cloud.Placements)-1).Draw(t, "zone")]
		in.Created = w.Now.Add(-time.Duration(rapid.IntRange(1, 9).Draw(t, "age")) * time.Hour)
	}
	surge, unavailable := intstr.FromInt32(int32(rapid.IntRange(0, 3).Draw(t, "surge"))), intstr.FromInt32(int32(rapid.IntRange(0, 3).Draw(t, "unavailable")))
	p := &w.Objects.Pools[0]
	p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: &surge, MaxUnavailable: &unavailable}
	desired := max(count-rapid.IntRange(0, 3).Draw(t, "extra"), 1)
	p.Status.Cycle = &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationCycle + "=now", Desired: int32(desired)}
	p.Status.Cycle.StartedAt.Time = w.Now
	b, err := BudgetOf(p.Spec.Cycle, desired, len(cloud.Placements))
	if err != nil {
		t.Fatal(err)
	}
	return w.Snapshot(), b
}

// ordered are a pool's nodes in the order in which they are taken.
func ordered(p *world.Pool) []*world.Node {
	var list []stale
	for _, n := range p.Nodes {
		list = append(list, stale{Node: n})
	}
	var out []*world.Node
	for _, n := range order(list) {
		out = append(out, n.Node)
	}
	return out
}

func TestIsolationAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, b := anyPool(t)
		pool := s.Pools[0]
		slots := rapid.IntRange(1, 5).Draw(t, "parallel")
		want := takeSlowly(b, slots, ordered(pool))
		got := map[string]bool{}
		for _, step := range Decide(s, Policy{MaxParallelDrains: slots}).Steps {
			if step.Kind == Mark {
				got[step.Node] = true
			}
		}
		if len(want) == 0 && len(got) == 1 {
			yielded(t, pool, b, got)
			return
		}
		if !maps.Equal(got, want) {
			t.Fatalf("took %v, twin took %v", got, want)
		}
	})
}

// yielded checks the one node that was taken against its zone's floor: the
// pool's must hold.
func yielded(t *rapid.T, pool *world.Pool, b Budget, got map[string]bool) {
	all, zones := pool.Counts()
	for _, n := range pool.Nodes {
		if got[n.Name()] && (all.Available-1 < b.Floor() || zones[n.Zone()].Available-1 >= b.ZoneFloor()) {
			t.Fatalf("yielded %s: %d available of %d, %d in its zone of %d", n.Name(), all.Available, b.Floor(), zones[n.Zone()].Available, b.ZoneFloor())
		}
	}
}

// A pool that is scaled to nothing has nothing that could not be replaced: a percentage
// that comes to 0 there is no reason to refuse it a version.
func TestAnEmptyPoolIsUpgraded(t *testing.T) {
	for _, surge := range []string{"10%", "0%"} {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi", worldtest.Annotations[*v1alpha1.Pool](v1alpha1.AnnotationUpgradeTo, "v1.34.1"))
		percent := intstr.FromString(surge)
		w.Objects.Pools[0].Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: &percent, MaxUnavailable: &percent}
		s := w.Snapshot()
		s.ControlPlane = "v1.34.1"
		offer := Offer{Releases: []cloudprovider.Release{{Kubernetes: "v1.34.1", Image: "new"}}}
		policy := Policy{Offers: map[cloudprovider.PoolID]Offer{worldtest.PoolID("workers"): offer}}
		policy.Refusals = map[cloudprovider.PoolID][]Refusal{worldtest.PoolID("workers"): {{SetRelease, "of another version", v1alpha1.AnnotationUpgradeTo + "=v1.33.9"}}}
		plan := Decide(s, policy)
		if len(plan.Steps) != 1 || plan.Steps[0].Kind != SetRelease {
			t.Errorf("maxSurge %s: %v", surge, plan.Steps)
		}
	}
}
