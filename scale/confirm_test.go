package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world"
)

// silent is a cache whose watches of Pools and Nodes say nothing any more.
type silent struct {
	client.Reader
	pools *v1alpha1.PoolList // nil while it speaks
	nodes *corev1.NodeList
}

func (s *silent) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	if pools, ok := l.(*v1alpha1.PoolList); ok && s.pools != nil {
		s.pools.DeepCopyInto(pools)
		return nil
	}
	if nodes, ok := l.(*corev1.NodeList); ok && s.nodes != nil {
		s.nodes.DeepCopyInto(nodes)
		return nil
	}
	return s.Reader.List(ctx, l, opts...)
}

// asked is the API server itself, of which each Pool that is asked for is noted.
type asked struct {
	client.Reader
	pools []string
	err   error
}

func (a *asked) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*v1alpha1.Pool); ok {
		if a.pools = append(a.pools, key.Name); a.err != nil {
			return a.err
		}
	}
	return a.Reader.Get(ctx, key, o, opts...)
}

// deafen silences the plant's watch of Pools, and notes who is asked from then on.
func (p *plant) deafen() (*silent, *asked) {
	p.t.Helper()
	cache, live := &silent{Reader: p.api, pools: &v1alpha1.PoolList{}}, &asked{Reader: p.api}
	if err := p.api.List(p.t.Context(), cache.pools); err != nil {
		p.t.Fatal(err)
	}
	p.Observer = &world.Observer{Reader: cache, Fleet: p.Fleet}
	p.Live = live
	return cache, live
}

// begin has a run begin in the pool.
func (p *plant) begin(pool string) {
	p.t.Helper()
	o := get(p, pool, &v1alpha1.Pool{})
	o.Status.Cycle = &v1alpha1.CycleStatus{Request: "patch", StartedAt: metav1.Now(), Desired: 3}
	if err := p.api.Status().Update(p.t.Context(), o); err != nil {
		p.t.Fatal(err)
	}
}

// edit changes a Pool as a person does.
func (p *plant) edit(pool string, change func(*v1alpha1.Pool)) {
	p.t.Helper()
	o := get(p, pool, &v1alpha1.Pool{})
	change(o)
	if err := p.api.Update(p.t.Context(), o); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) pause(pool string) {
	p.edit(pool, func(o *v1alpha1.Pool) { o.Annotations = map[string]string{v1alpha1.AnnotationPause: "true"} })
}

// idlePlant is a pool of three idle nodes, two of which are to go at the next look.
func idlePlant(t *testing.T) *plant {
	p := newPlant(t, cloudfake.Latency{})
	id := p.pool("workers", 3, "ZONE-1", 1, 5)
	p.join(id)
	time.Sleep(5 * time.Minute)
	p.look()
	time.Sleep(11 * time.Minute)
	return p
}

func (p *plant) cordoned() (out []string) {
	p.t.Helper()
	var nodes corev1.NodeList
	if err := p.api.List(p.t.Context(), &nodes); err != nil {
		p.t.Fatal(err)
	}
	for _, n := range nodes.Items {
		if n.Spec.Unschedulable {
			out = append(out, n.Name)
		}
	}
	return out
}

// TestNoNodeGoesByAnOldPool: the watch of Pools has been silent for minutes, and what
// has changed since keeps the nodes. The API server is asked once, whatever the number
// of nodes.
func TestNoNodeGoesByAnOldPool(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *plant, live *asked)
		want   Reason
		fails  bool
	}{
		{"nothing", func(*plant, *asked) {}, "", false},
		{"a run", func(p *plant, _ *asked) { p.begin("workers") }, PoolCycling, false},
		{"a pause", func(p *plant, _ *asked) { p.pause("workers") }, PoolPaused, false},
		{"a pause that ended", func(p *plant, _ *asked) {
			p.edit("workers", func(o *v1alpha1.Pool) { o.Annotations = map[string]string{v1alpha1.AnnotationPause: "false"} })
		}, "", false},
		{"not scaled any more", func(p *plant, _ *asked) { p.edit("workers", func(o *v1alpha1.Pool) { o.Spec.Scale = nil }) }, PoolChanged, false},
		{"a larger minimum", func(p *plant, _ *asked) { p.edit("workers", func(o *v1alpha1.Pool) { o.Spec.Scale.MinSize = 3 }) }, PoolChanged, false},
		{"deleted", func(p *plant, _ *asked) {
			if err := p.api.Delete(p.t.Context(), get(p, "workers", &v1alpha1.Pool{})); err != nil {
				p.t.Fatal(err)
			}
		}, PoolChanged, false},
		{"no answer", func(_ *plant, live *asked) { live.err = errors.New("the API server has a bad day") }, Unconfirmed, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := idlePlant(t)
				_, live := p.deafen()
				c.change(p, live)
				plan, err := p.Once(t.Context())
				if c.fails != (err != nil && strings.Contains(err.Error(), "bad day")) {
					t.Errorf("error %v", err)
				}
				equal(t, "asked for", live.pools, []string{"workers"})
				if n, last := p.said(eventNotRemoved); (n > 0) != c.fails || c.fails && !strings.Contains(last, "bad day") {
					t.Errorf("%d events, the last %q", n, last)
				}
				if c.want == "" {
					if len(p.cordoned()) != 2 || len(plan.Removals) != 2 {
						t.Errorf("cordoned %q:\n%s", p.cordoned(), plan)
					}
					return
				}
				var kept []Reason
				for _, v := range plan.Nodes {
					if v.Reason != PoolAtMin {
						kept = append(kept, v.Reason)
					}
				}
				if len(p.cordoned()) != 0 || len(plan.Removals) != 0 || !slices.Equal(kept, []Reason{c.want, c.want}) {
					t.Errorf("cordoned %q, reasons %q:\n%s", p.cordoned(), kept, plan)
				}
			})
		})
	}
}

// TestNoNodeGoesByOldNodes: the watch of Nodes has been silent, and one that stays is
// down. What has changed otherwise keeps nobody.
func TestNoNodeGoesByOldNodes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(n *corev1.Node)
		stays  bool
	}{
		"it is down":     {func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, true},
		"it is cordoned": {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"a label":        {func(n *corev1.Node) { n.Labels["another"] = "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := idlePlant(t)
				cache, _ := p.deafen()
				cache.nodes = &corev1.NodeList{}
				if err := p.api.List(t.Context(), cache.nodes); err != nil {
					t.Fatal(err)
				}
				n := cache.nodes.Items[2].DeepCopy() // the one that stays
				c.change(n)
				status := n.DeepCopy()
				if err := p.api.Update(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				status.ResourceVersion = n.ResourceVersion
				if err := p.api.Status().Update(t.Context(), status); err != nil {
					t.Fatal(err)
				}
				before := len(p.cordoned())
				plan := p.look()
				if went := len(p.cordoned()) - before; went > 0 == c.stays || c.stays && !slices.ContainsFunc(plan.Nodes, func(v NodeVerdict) bool { return v.Reason == Unconfirmed }) {
					t.Errorf("%d went:\n%s", went, plan)
				}
			})
		})
	}
}

// TestNodesGoWhenTheWatchSpeaks: what was held back is no failure and leaves nothing.
func TestNodesGoWhenTheWatchSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := idlePlant(t)
		cache, _ := p.deafen()
		p.pause("workers")
		p.look()
		p.edit("workers", func(o *v1alpha1.Pool) { o.Annotations = nil })
		cache.pools = nil
		if plan := p.look(); len(plan.Removals) != 2 || len(p.cordoned()) != 2 {
			t.Errorf("cordoned %q:\n%s", p.cordoned(), plan)
		}
	})
}

// TestNoSizeByAnOldPool: growth, too, is asked for by the Pool of now. That it was not
// is no failure of the pool's, which may grow at the next look. A pause keeps no pool
// from growing.
func TestNoSizeByAnOldPool(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *plant, live *asked)
		want   Reason
	}{
		{"nothing", func(*plant, *asked) {}, ""},
		{"a pause", func(p *plant, _ *asked) { p.pause("workers") }, ""},
		{"a run", func(p *plant, _ *asked) { p.begin("workers") }, PoolCycling},
		{"not scaled any more", func(p *plant, _ *asked) { p.edit("workers", func(o *v1alpha1.Pool) { o.Spec.Scale = nil }) }, PoolChanged},
		{"a smaller maximum", func(p *plant, _ *asked) { p.edit("workers", func(o *v1alpha1.Pool) { o.Spec.Scale.MaxSize = 1 }) }, PoolChanged},
		{"no answer", func(_ *plant, live *asked) { live.err = errors.New("the API server has a bad day") }, Unconfirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlant(t, cloudfake.Latency{})
				id := p.pool("workers", 0, "ZONE-1", 0, 5)
				p.look()
				cache, live := p.deafen()
				c.change(p, live)
				p.pods("web", 2, "3")
				plan, err := p.Once(t.Context())
				if (c.want == Unconfirmed) != (err != nil) {
					t.Errorf("error %v", err)
				}
				equal(t, "asked for", live.pools, []string{"workers"})
				grown := []string{fmt.Sprintf("%s 0->2", id)}
				if c.want == "" {
					equal(t, "resizes", p.resizes(), grown)
					return
				}
				equal(t, "resizes", p.resizes(), nil)
				if v := plan.poolVerdict("workers"); v.Reason != c.want || v.Message == "" {
					t.Errorf("verdict %+v", v)
				}
				o := get(p, "workers", &v1alpha1.Pool{})
				if o.Status.Scale != nil || len(o.Status.Conditions) != 1 || o.Status.Conditions[0].Reason != "CanGrow" {
					t.Errorf("written into the Pool: %+v", o.Status)
				}
				if c.want == Unconfirmed {
					cache.pools, live.err = nil, nil
					p.look()
					equal(t, "resizes when it answers", p.resizes(), grown)
				}
			})
		})
	}
}

// TestARunsEntriesAndMachinesAreItsOwn: what failed to come, and what never became a
// node, is the run's as soon as there is one.
func TestARunsEntriesAndMachinesAreItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		failed, ghosts := p.pool("failed", 0, "ZONE-A", 0, 5), p.pool("ghosts", 1, "ZONE-B", 0, 5)
		p.cloud.SetCapacity("ZONE-A", 0)
		if err := p.cloud.Resize(t.Context(), failed, 0, 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		_, live := p.deafen()
		p.begin("failed")
		p.begin("ghosts")
		before := p.resizes()
		plan := p.look()
		if len(plan.TakeBacks) != 1 || len(plan.Discards) != 1 {
			t.Fatalf("nothing was to be done:\n%s", plan)
		}
		equal(t, "asked for", live.pools, []string{"failed", "ghosts"})
		equal(t, "resizes", p.resizes(), before)
		if list, err := p.cloud.Instances(t.Context(), ghosts); err != nil || len(list) != 1 || list[0].State != cloudprovider.Running {
			t.Errorf("machines %+v, %v", list, err)
		}
		if o := get(p, "failed", &v1alpha1.Pool{}); o.Status.Scale != nil {
			t.Errorf("a failure is on record: %+v", o.Status.Scale)
		}
	})
}
