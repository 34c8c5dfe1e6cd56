package cycle

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A counting is a run of four old nodes, looked at again and again.
type counting struct {
	*testing.T
	w    *worldtest.World
	pool *v1alpha1.Pool
	plan Plan
}

func newCounting(t *testing.T) *counting {
	w, p := gated()
	w.AddNode("workers", "n3")
	w.AddNode("workers", "n4")
	c := &counting{T: t, w: w, pool: p}
	for i := range c.machines() {
		c.machines()[i].Created = w.Now.Add(-24 * time.Hour)
	}
	c.resize(4)
	p.Status.Cycle.Desired, p.Status.Cycle.Stale, p.Status.Cycle.Machines = 4, 4, 4
	return c
}

func (c *counting) machines() []cloudprovider.Instance {
	return c.w.Cloud.Instances[worldtest.PoolID("workers")]
}

func (c *counting) resize(to int) { c.w.Cloud.Pools[0].Size = to }

// replace puts a new machine in the place of one.
func (c *counting) replace(name, by string) {
	c.Helper()
	c.remove(name)
	c.w.AddNode("workers", by)
	list := c.machines()
	list[len(list)-1].Created = c.w.Now
}

func (c *counting) remove(name string) {
	c.Helper()
	c.w.Cloud.Instances[worldtest.PoolID("workers")] = slices.Delete(c.machines(), c.at(name), c.at(name)+1)
	c.w.Objects.Nodes = slices.DeleteFunc(c.w.Objects.Nodes, func(n corev1.Node) bool { return n.Name == name })
}

// at is where the machine of a node is listed.
func (c *counting) at(name string) int {
	c.Helper()
	i := slices.IndexFunc(c.w.Objects.Nodes, func(n corev1.Node) bool { return n.Name == name })
	k := -1
	if i >= 0 {
		k = slices.IndexFunc(c.machines(), func(m cloudprovider.Instance) bool { return string(m.ID) == c.w.Objects.Nodes[i].Spec.ProviderID })
	}
	if k < 0 {
		c.Fatalf("there is no machine %s", name)
	}
	return k
}

// look decides, and keeps the record.
func (c *counting) look(what string, replaced, stale int32) {
	c.Helper()
	c.w.Now = c.w.Now.Add(10 * time.Second)
	c.plan = Decide(c.w.Snapshot(), Policy{})
	run := c.plan.Pools[0].Cycle
	if run == nil {
		c.Fatalf("%s: no run: %v", what, c.plan)
	}
	if run.Replaced != replaced || run.Stale != stale {
		c.Errorf("%s: %d replaced and %d stale, want %d and %d", what, run.Replaced, run.Stale, replaced, stale)
	}
	c.pool.Status.Cycle = run
}

// A machine that is FAILED, or not listed, for a look is not replaced by that, and counts
// once when it is.
func TestOutOfSightIsNotReplaced(t *testing.T) {
	for name, hide := range map[string]func(*counting) (show func()){
		"failed": func(c *counting) func() {
			m := &c.machines()[c.at("n4")]
			was := m.State
			m.State = cloudprovider.Failed
			return func() { m.State = was }
		},
		"not listed": func(c *counting) func() {
			id, all := worldtest.PoolID("workers"), c.machines()
			c.w.Cloud.Instances[id] = slices.Delete(slices.Clone(all), c.at("n4"), c.at("n4")+1)
			return func() { c.w.Cloud.Instances[id] = all }
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounting(t)
			show := hide(c)
			c.look("out of sight", 1, 3)
			show()
			c.look("back", 0, 4)
			c.replace("n1", "n5")
			c.look("one replaced", 1, 3)
			show = hide(c)
			c.look("out of sight again", 2, 2)
			show()
			c.look("back again", 1, 3)
			c.w.AddNode("workers", "surge")
			c.machines()[len(c.machines())-1].Created = c.w.Now
			c.resize(5)
			c.look("a surge node replaces nobody", 1, 3)
			c.replace("n2", "n6")
			c.look("two replaced", 2, 2)
		})
	}
}

// What becomes stale since is to be replaced as well, and takes nothing from what was.
func TestMoreToReplace(t *testing.T) {
	c := newCounting(t)
	c.replace("n1", "n5")
	c.look("one replaced", 1, 3)
	for i := range c.w.Objects.Nodes {
		if n := &c.w.Objects.Nodes[i]; n.Name == "n5" {
			n.Annotations = map[string]string{v1alpha1.AnnotationCycle: "again"}
		}
	}
	c.replace("n2", "n6")
	c.look("one replaced, one asked for", 1, 3)
	c.replace("n5", "n7")
	c.look("the new one is replaced", 2, 2)
}

// The soak of a canary that has not gone is taken back.
func TestCanaryOutOfSight(t *testing.T) {
	c := newCounting(t)
	c.pool.Spec.Cycle.Canary = &v1alpha1.CanarySpec{Count: ptr.To[int32](1)}
	m := &c.machines()[3]
	was := m.State
	m.State = cloudprovider.Failed
	c.look("out of sight", 1, 3)
	m.State = was
	c.look("back", 0, 4)
	if run := c.pool.Status.Cycle; run.CanaryDoneAt != nil {
		t.Errorf("the canary soaks since %s, and no node was replaced", run.CanaryDoneAt)
	}
	c.replace("n1", "n5")
	c.look("it has gone", 1, 3)
	c.look("and stays gone", 1, 3)
	if run := c.pool.Status.Cycle; run.CanaryDoneAt == nil || !run.CanaryDoneAt.Time.Equal(c.w.Now) {
		t.Errorf("the canary has gone and soaks since %v", run.CanaryDoneAt)
	}
}

// Where scaling grows the pool beside the run, its new machines stand for nobody.
func TestGrowthReplacesNobody(t *testing.T) {
	c := newCounting(t)
	c.replace("n1", "n5")
	c.look("one replaced", 1, 3)
	for _, name := range []string{"g1", "g2"} {
		c.w.AddNode("workers", name)
		c.machines()[len(c.machines())-1].Created = c.w.Now
	}
	c.resize(6)
	c.pool.Status.Cycle.Desired = 6
	show := c.hide("n4")
	c.look("out of sight", 2, 2)
	show()
	c.look("back", 1, 3)
}

// A list from before a deletion shows what is gone once more, beside its successor.
func TestAnOldListReplacesNobody(t *testing.T) {
	c := newCounting(t)
	id, all := worldtest.PoolID("workers"), slices.Clone(c.machines())
	node := c.w.Objects.Nodes[c.nodeAt("n1")]
	c.replace("n1", "n5")
	c.resize(4)
	c.look("one replaced", 1, 3)
	now := c.machines()
	c.w.Cloud.Instances[id] = append(slices.Clone(now), all[0])
	c.w.Objects.Nodes = append(c.w.Objects.Nodes, node)
	c.look("the list is old", 0, 4)
	c.w.Cloud.Instances[id] = now
	c.w.Objects.Nodes = c.w.Objects.Nodes[:len(c.w.Objects.Nodes)-1]
	c.look("the list is new", 1, 3)
}

// What one look alone misses lets nothing go on: neither the rest after a canary, nor
// one more of a ramp, nor the end of the run.
func TestOneLookProvesNothing(t *testing.T) {
	t.Run("canary", func(t *testing.T) {
		c := newCounting(t)
		c.pool.Spec.Cycle.Canary = &v1alpha1.CanarySpec{Count: ptr.To[int32](1), Soak: &metav1.Duration{}}
		show := c.hide("n4")
		c.look("out of sight", 1, 3)
		if at := c.pool.Status.Cycle.CanaryDoneAt; at != nil {
			t.Errorf("the canary has gone at %s, by one look", at)
		}
		show()
		c.look("back", 0, 4)
		c.replace("n1", "n5")
		c.look("it has gone", 1, 3)
		c.look("and stays gone", 1, 3)
		if c.pool.Status.Cycle.CanaryDoneAt == nil {
			t.Error("the canary has gone, by two looks, and does not soak")
		}
	})
	t.Run("ramp", func(t *testing.T) {
		c := newCounting(t)
		c.pool.Spec.Cycle.Ramp = &v1alpha1.RampSpec{}
		limit := func() int {
			d := newDecision(c.w.Snapshot(), c.w.Snapshot().Pools[0], Policy{})
			p := pace{limit: -1}
			d.ramp(c.pool.Status.Cycle, c.pool.Spec.Cycle, nil, &p)
			return p.limit
		}
		c.hide("n4")
		c.look("out of sight", 1, 3)
		if got := limit(); got != 1 {
			t.Errorf("%d may be in work after one look, want 1", got)
		}
		c.look("still", 1, 3)
		if got := limit(); got != 2 {
			t.Errorf("%d may be in work after two looks, want 2", got)
		}
	})
	t.Run("end", func(t *testing.T) {
		c := newCounting(t)
		for i, name := range []string{"n1", "n2", "n3"} {
			c.replace(name, "new"+string(rune('1'+i)))
		}
		c.resize(4)
		c.look("three replaced", 3, 1)
		show := c.hide("n4")
		c.look("out of sight", 4, 0)
		show()
		c.look("back", 3, 1)
		c.replace("n4", "new4")
		c.resize(4)
		c.look("replaced", 4, 0)
		c.w.Now = c.w.Now.Add(10 * time.Second)
		if plan := Decide(c.w.Snapshot(), Policy{}); plan.Pools[0].Cycle != nil {
			t.Errorf("two looks agree, and the run goes on: %v", plan)
		}
	})
}

// hide takes a node's machine out of the list, until it is shown again.
func (c *counting) hide(name string) (show func()) {
	c.Helper()
	id, all, i := worldtest.PoolID("workers"), c.machines(), c.at(name)
	c.w.Cloud.Instances[id] = slices.Delete(slices.Clone(all), i, i+1)
	return func() { c.w.Cloud.Instances[id] = all }
}

func (c *counting) nodeAt(name string) int {
	return slices.IndexFunc(c.w.Objects.Nodes, func(n corev1.Node) bool { return n.Name == name })
}
