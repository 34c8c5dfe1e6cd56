package fake_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

func TestNewBootVolumeKeepsTheMachine(t *testing.T) {
	c := fake.New(fake.Options{Releases: releases, Latency: fake.Latency{Boot: time.Minute}})
	id := c.AddPool(fake.Pool{Size: 1, Release: releases[1]})
	c.Advance(time.Minute)
	list, _ := c.Instances(t.Context(), id)
	c.Configure(id, func(p *fake.Pool) { p.Release = releases[0] })
	if err := c.ReplaceBootVolume(t.Context(), id, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := states(t, c, id); got[0] != "Stopped" {
		t.Errorf("states %v while it boots", got)
	}
	c.Advance(time.Minute)
	after, _ := c.Instances(t.Context(), id)
	if after[0].ID != list[0].ID || after[0].Release != releases[0] || after[0].State != cloudprovider.Running {
		t.Errorf("after: %+v", after[0])
	}
	if err := c.Reboot(t.Context(), id, cloudprovider.Placeholder(id, 9)); !errors.Is(err, cloudprovider.ErrInvalid) {
		t.Errorf("reboot of a placeholder: %v", err)
	}
}

func TestTheCloudCycles(t *testing.T) {
	c := fake.New(fake.Options{Releases: releases, Latency: fake.Latency{Delete: time.Second}})
	id := c.AddPool(fake.Pool{Size: 3, Release: releases[1]})
	c.Configure(id, func(p *fake.Pool) { p.Release = releases[0] })
	if err := c.Cycle(t.Context(), id, cloudprovider.Cycling{MaxSurge: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.Cycle(t.Context(), id, cloudprovider.Cycling{MaxSurge: 1}); !errors.Is(err, cloudprovider.ErrConflict) {
		t.Errorf("a second cycle: %v", err)
	}
	for range 20 {
		c.Advance(time.Second)
		states(t, c, id)
	}
	list, _ := c.Instances(t.Context(), id)
	for _, in := range list {
		if in.Release != releases[0] {
			t.Errorf("%s runs %v", in.ID, in.Release)
		}
	}
	if pools, _ := c.Pools(t.Context()); len(list) != 3 || pools[0].Health.Updating {
		t.Errorf("%d machines, pool %+v", len(list), pools[0])
	}
	basic := fake.New(fake.Options{Basic: true})
	id = basic.AddPool(fake.Pool{Size: 1})
	if err := basic.Cycle(t.Context(), id, cloudprovider.Cycling{MaxSurge: 1}); !errors.Is(err, cloudprovider.ErrNotSupported) {
		t.Errorf("basic: %v", err)
	}
}
