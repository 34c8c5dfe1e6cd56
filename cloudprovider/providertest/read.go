package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
)

func describe(list []cloudprovider.Instance) string {
	var lines []string
	for _, in := range list {
		lines = append(lines, fmt.Sprintf("%s %s %+v", in.ID, in.State, in.Fault))
	}
	return strings.Join(lines, "\n")
}

// poolsListsAllPages makes more pools than fit on a page of the harness's cloud.
func poolsListsAllPages(t *testing.T, b *bench) {
	var want []cloudprovider.PoolID
	for i := range 7 {
		want = append(want, b.AddPool(fmt.Sprintf("pool-%d", i), 0))
	}
	slices.Sort(want)
	for range 2 {
		pools, err := b.Provider.Pools(b.ctx)
		b.ok(err)
		var got []cloudprovider.PoolID
		for _, p := range pools {
			got = append(got, p.ID)
			if p.Health.Observed.IsZero() || p.Health.Err != nil {
				t.Errorf("pool %s: health %+v", p.ID, p.Health)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pools (-want +got):\n%s", diff)
		}
	}
}

func poolsBroken(t *testing.T, b *bench) {
	b.AddPool("a", 0)
	b.Inject(Pools, Broken)
	pools, err := b.Provider.Pools(b.ctx)
	if err == nil || len(pools) != 0 {
		t.Fatalf("got %d pools and error %v", len(pools), err)
	}
}

func poolsValuesOwned(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	p := b.pool(id)
	if len(p.Placements) == 0 || len(p.Zones()) != 1 {
		t.Fatalf("placements %+v", p.Placements)
	}
	zone := p.Placements[0].Zone
	p.Placements[0].Zone = "elsewhere"
	p.Placements[0].Template.Labels["spoilt"] = "true"
	if again := b.pool(id); again.Placements[0].Zone != zone || again.Placements[0].Template.Labels["spoilt"] != "" {
		t.Fatal("a caller's change is seen by the next")
	}
}

func instancesSorted(t *testing.T, b *bench) {
	id := b.AddPool("a", 4)
	b.wantRunning(id, 4)
	list := b.instances(id)
	zones := b.pool(id).Zones()
	for i, in := range list {
		if i > 0 && list[i-1].ID >= in.ID {
			t.Errorf("%s is not after %s", in.ID, list[i-1].ID)
		}
		if in.Pool != id || in.Zone != zones[0] || in.Fault != nil || in.ID.Placeholder() || in.Created.IsZero() || in.Release.Image == "" {
			t.Errorf("instance %+v", in)
		}
	}
}

func poolGone(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	machine := b.wantRunning(id, 1)[0]
	b.RemovePool(id)
	_, err := b.Provider.Instances(b.ctx, id)
	b.want(err, cloudprovider.ErrNotFound)
	b.want(b.Provider.Resize(b.ctx, id, 1, 2), cloudprovider.ErrNotFound)
	b.want(b.Provider.Delete(b.ctx, id, machine), cloudprovider.ErrNotFound)
	pools, err := b.Provider.Pools(b.ctx)
	b.ok(err)
	if len(pools) != 0 {
		t.Fatalf("%d pools are left", len(pools))
	}
}

func placeholdersStable(t *testing.T, b *bench) {
	id := b.AddPool("a", 0)
	other := b.AddPool("b", 0)
	b.SetCapacity(0)
	b.ok(b.Provider.Resize(b.ctx, id, 0, 3))
	b.ok(b.Provider.Resize(b.ctx, other, 0, 1))
	b.Settle(id)
	b.Settle(other)
	first := b.ids(id, cloudprovider.Failed)
	if len(first) != 3 || len(slices.Compact(slices.Clone(first))) != 3 {
		t.Fatalf("placeholders %v", first)
	}
	for _, p := range append(first, b.ids(other, cloudprovider.Failed)...) {
		if !p.Placeholder() || (p.PlaceholderPool() != id && p.PlaceholderPool() != other) {
			t.Errorf("%s is no placeholder of the pool", p)
		}
	}
	for range 3 {
		if diff := cmp.Diff(first, b.ids(id, cloudprovider.Failed)); diff != "" {
			t.Fatalf("the next call (-first +next):\n%s", diff)
		}
	}
}

// throttled asks every method once; writes must not have happened.
func throttled(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	machine := b.wantRunning(id, 1)[0]
	b.Settle(id)
	b.Inject(Resize, Throttled)
	b.want(b.Provider.Resize(b.ctx, id, 1, 2), cloudprovider.ErrThrottled)
	b.wantSize(id, 1)
	b.Inject(Delete, Throttled)
	b.want(b.Provider.Delete(b.ctx, id, machine), cloudprovider.ErrThrottled)
	b.wantSize(id, 1)
	b.Inject(Pools, Throttled)
	_, err := b.Provider.Pools(b.ctx)
	b.want(err, cloudprovider.ErrThrottled)
	b.Inject(Instances, Throttled)
	_, err = b.Provider.Instances(b.ctx, id)
	b.want(err, cloudprovider.ErrThrottled)
}

func unauthorized(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	b.Settle(id)
	b.Inject(Resize, Unauthorized)
	b.want(b.Provider.Resize(b.ctx, id, 1, 2), cloudprovider.ErrUnauthorized)
	b.wantSize(id, 1)
	b.Inject(Pools, Unauthorized)
	_, err := b.Provider.Pools(b.ctx)
	b.want(err, cloudprovider.ErrUnauthorized)
}

func cancelled(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.Provider.Pools(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Pools: %v", err)
	}
	if err := b.Provider.Resize(ctx, id, 1, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Resize: %v", err)
	}
	b.wantSize(id, 1)
}
