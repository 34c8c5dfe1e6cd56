package cloudprovider_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

func count(c *fake.Cloud, op string) int {
	n := 0
	for _, call := range c.Calls() {
		if call.Op == op {
			n++
		}
	}
	return n
}

func TestResizeWithinBounds(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 2})
	var told []cloudprovider.Write
	f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{OnWrite: func(w cloudprovider.Write) { told = append(told, w) }})
	f.SetBounds(map[cloudprovider.PoolID]cloudprovider.Bounds{id: {Max: 3}})
	for _, c := range []struct {
		from, to int
		want     error
	}{
		{2, 4, cloudprovider.ErrOutOfBounds},
		{2, -1, cloudprovider.ErrOutOfBounds},
		{2, 3, nil},
		{9, 5, cloudprovider.ErrConflict}, // shrinking towards the bound is passed on
	} {
		if err := f.Resize(t.Context(), id, c.from, c.to); !errors.Is(err, c.want) {
			t.Errorf("resize %d to %d: %v, want %v", c.from, c.to, err, c.want)
		}
	}
	if n := count(cloud, "Resize"); n != 2 {
		t.Errorf("%d calls reached the cloud, want 2", n)
	}
	// A refusal is told like any other answer.
	if len(told) != 4 || !errors.Is(told[0].Err, cloudprovider.ErrOutOfBounds) || told[2].Err != nil || told[2].To != 3 {
		t.Errorf("told %+v", told)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	cloud := fake.New(fake.Options{Releases: []cloudprovider.Release{{Kubernetes: "v1.34.1", Image: "i"}}})
	id := cloud.AddPool(fake.Pool{Size: 2})
	var ops []string
	f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{DryRun: true, OnWrite: func(w cloudprovider.Write) {
		if !w.DryRun || w.Err != nil {
			t.Errorf("told %+v", w)
		}
		ops = append(ops, w.Op)
	}})
	before := f.Observe(t.Context())
	for _, err := range []error{
		f.Resize(t.Context(), id, 2, 5),
		f.Delete(t.Context(), id, before.Instances[id][0].ID),
		f.Replace(t.Context(), id, before.Instances[id][0].ID),
		f.SetRelease(t.Context(), id, cloudprovider.Release{Image: "i"}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	after := f.Observe(t.Context())
	if diff := cmp.Diff(before, after, cmpopts.IgnoreTypes(time.Time{})); diff != "" {
		t.Errorf("the cloud changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Resize", "Delete", "Replace", "SetRelease"}, ops); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestObserveKeepsLastGoodData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := fake.New(fake.Options{})
		id := cloud.AddPool(fake.Pool{Size: 2})
		f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{})
		cloud.FailNext("Pools", errors.New("away"))
		if first := f.Observe(t.Context()); first.Err == nil || len(first.Pools) != 0 || !first.Observed.IsZero() {
			t.Fatalf("first look %+v", first)
		}
		good := f.Observe(t.Context())
		if good.Err != nil || len(good.Instances[id]) != 2 {
			t.Fatalf("good look %+v", good)
		}
		time.Sleep(time.Minute)
		cloud.FailNext("Pools", errors.New("away"))
		old := f.Observe(t.Context())
		if old.Err == nil || !old.Observed.Equal(good.Observed) || len(old.Instances[id]) != 2 {
			t.Fatalf("look while away %+v", old)
		}
		if age := metric(t, f, "tidemill_cloud_data_age_seconds"); age != 60 {
			t.Errorf("age is %v, want 60", age)
		}
		if again := f.Observe(t.Context()); again.Err != nil || again.Observed.Equal(good.Observed) {
			t.Fatalf("look when back %+v", again)
		}
	})
}

func metric(t *testing.T, f *cloudprovider.Fleet, name string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := f.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families {
		if m.GetName() == name {
			return m.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestObserveOneBadPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := fake.New(fake.Options{})
		a := cloud.AddPool(fake.Pool{ID: "a", Size: 1})
		b := cloud.AddPool(fake.Pool{ID: "b", Size: 1})
		f := cloudprovider.NewFleet(badPool{cloud, a}, cloudprovider.FleetOptions{Refresh: time.Hour})
		good := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}).Observe(t.Context())
		look := f.Observe(t.Context())
		if look.Err != nil || look.Pools[0].Health.Err == nil || !look.Pools[0].Health.Observed.IsZero() || look.Pools[1].Health.Err != nil {
			t.Fatalf("look %+v", look)
		}
		if diff := cmp.Diff(good.Instances[b], look.Instances[b]); diff != "" {
			t.Errorf("the other pool (-want +got):\n%s", diff)
		}
		// A look with a hole is not used again, however young.
		reads := count(cloud, "Pools")
		f.Observe(t.Context())
		if count(cloud, "Pools") == reads {
			t.Error("a partial look was reused")
		}
	})
}

// badPool is a cloud in which one pool cannot be read.
type badPool struct {
	*fake.Cloud
	bad cloudprovider.PoolID
}

func (p badPool) Instances(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	if id == p.bad {
		return nil, errors.New("no answer")
	}
	return p.Cloud.Instances(ctx, id)
}

func TestObserveReusesAYoungLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := fake.New(fake.Options{})
		id := cloud.AddPool(fake.Pool{Size: 1})
		f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{Refresh: 10 * time.Second})
		looks := func(want int, why string) {
			t.Helper()
			f.Observe(t.Context())
			if got := count(cloud, "Pools"); got != want {
				t.Fatalf("%s: %d looks, want %d", why, got, want)
			}
		}
		looks(1, "first")
		time.Sleep(9 * time.Second)
		looks(1, "young")
		time.Sleep(time.Second)
		looks(2, "old")
		if err := f.Resize(t.Context(), id, 1, 2); err != nil {
			t.Fatal(err)
		}
		looks(3, "after a write")
		looks(3, "young again")
		cloud.FailNext("Resize", cloudprovider.ErrThrottled)
		_ = f.Resize(t.Context(), id, 2, 3)
		looks(4, "after a write that failed: who knows")
		f.SetBounds(nil)
		looks(4, "bounds are no write")
	})
}

// slowResize lets somebody look while a change is under way.
type slowResize struct {
	*fake.Cloud
	meanwhile func()
}

func (p slowResize) Resize(ctx context.Context, id cloudprovider.PoolID, from, to int) error {
	p.meanwhile()
	return p.Cloud.Resize(ctx, id, from, to)
}

// What a look under way meanwhile shows is not used again: it may have missed the
// change. But the change makes no look old before it was answered: who comes first,
// it or another loop's look, would be chance.
func TestObserveWhileAWriteIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := fake.New(fake.Options{})
		id := cloud.AddPool(fake.Pool{Size: 1})
		var f *cloudprovider.Fleet
		f = cloudprovider.NewFleet(slowResize{cloud, func() {
			f.Observe(t.Context())
			if got := count(cloud, "Pools"); got != 1 {
				t.Errorf("%d looks before the answer, want the first one's to be used", got)
			}
			time.Sleep(11 * time.Second)
			f.Observe(t.Context())
		}}, cloudprovider.FleetOptions{Refresh: 10 * time.Second})
		f.Observe(t.Context())
		if err := f.Resize(t.Context(), id, 1, 2); err != nil {
			t.Fatal(err)
		}
		if c := f.Observe(t.Context()); count(cloud, "Pools") != 3 || c.Pools[0].Size != 2 {
			t.Errorf("%d looks, size %d; want a new look after the answer", count(cloud, "Pools"), c.Pools[0].Size)
		}
	})
}

// A caller may sort and edit what it got.
func TestObserveGivesCopies(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{Refresh: time.Hour})
	look := f.Observe(t.Context())
	look.Instances[id][0].ID = "spoilt"
	look.Pools[0].Size = 77
	delete(look.Instances, id)
	if again := f.Observe(t.Context()); again.Pools[0].Size != 1 || again.Instances[id][0].ID == "spoilt" {
		t.Fatalf("look %+v", again)
	}
}

func TestMissingFeature(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	f := cloudprovider.NewFleet(struct{ cloudprovider.Provider }{cloud}, cloudprovider.FleetOptions{})
	_, err := f.Releases(t.Context(), id)
	for _, err := range []error{err, f.Replace(t.Context(), id), f.SetRelease(t.Context(), id, cloudprovider.Release{})} {
		if !errors.Is(err, cloudprovider.ErrNotSupported) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestMetricsStartAtZeroAndCount(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	f := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{})
	r := prometheus.NewPedanticRegistry()
	if err := f.Register(r); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(r, "tidemill_cloud_calls_total"); err != nil || n != 28 {
		t.Fatalf("%d series, %v", n, err)
	}
	_ = f.Resize(t.Context(), id, 7, 8)
	_ = f.Resize(t.Context(), id, 1, -1)
	all := gather(t, r)
	for _, want := range []string{`op:Resize result:conflict = 1`, `op:Resize result:out_of_bounds = 1`, `op:Resize result:ok = 0`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if err := f.Register(r); err == nil {
		t.Error("registered twice")
	}
}

func gather(t *testing.T, r prometheus.Gatherer) string {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if f.GetName() != "tidemill_cloud_calls_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				b.WriteString(l.GetName() + ":" + l.GetValue() + " ")
			}
			b.WriteString("= " + string(rune('0'+int(m.GetCounter().GetValue()))) + "\n")
		}
	}
	return b.String()
}

func TestPlaceholder(t *testing.T) {
	id := cloudprovider.Placeholder("ocid1.nodepool.oc1.iad.x", 7)
	if !id.Placeholder() || id.PlaceholderPool() != "ocid1.nodepool.oc1.iad.x" {
		t.Errorf("placeholder %q of pool %q", id, id.PlaceholderPool())
	}
	if m := cloudprovider.InstanceID("ocid1.instance.oc1.iad.x"); m.Placeholder() || m.PlaceholderPool() != "" {
		t.Errorf("%q taken for a placeholder", m)
	}
}

// A look may be used again for a little less than Refresh, by chance, and never
// for more.
func TestRefreshIsSpread(t *testing.T) {
	for _, tt := range []struct {
		random float64
		wait   time.Duration
		fresh  bool
	}{{0, 9999 * time.Millisecond, true}, {0, 10 * time.Second, false}, {1, 8999 * time.Millisecond, true}, {1, 9 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			f := cloudprovider.NewFleet(fake.New(fake.Options{}), cloudprovider.FleetOptions{Refresh: 10 * time.Second, Random: func() float64 { return tt.random }})
			first := f.Observe(t.Context()).Observed
			time.Sleep(tt.wait)
			if again := f.Observe(t.Context()).Observed; again.Equal(first) != tt.fresh {
				t.Errorf("random %v, after %s: used again is %v, want %v", tt.random, tt.wait, !tt.fresh, tt.fresh)
			}
		})
	}
}
