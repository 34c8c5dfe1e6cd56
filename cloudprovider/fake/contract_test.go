package fake_test

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/cloudprovider/providertest"
)

var releases = []cloudprovider.Release{
	{Kubernetes: "v1.35.0", Image: "image-3", ImageName: "Linux-2026.07.31"},
	{Kubernetes: "v1.34.1", Image: "image-2", ImageName: "Linux-2026.07.31"},
	{Kubernetes: "v1.34.1", Image: "image-1", ImageName: "Linux-2026.05.29"},
}

func TestContract(t *testing.T) {
	for name, latency := range map[string]fake.Latency{
		"at once": {},
		"slowly":  {Launch: 3 * time.Millisecond, Boot: 5 * time.Millisecond, Delete: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(*testing.T) providertest.Harness { return harness(latency, false) })
		})
	}
	t.Run("basic", func(t *testing.T) {
		providertest.Run(t, func(*testing.T) providertest.Harness { return harness(fake.Latency{}, true) })
	})
}

func harness(latency fake.Latency, basic bool) providertest.Harness {
	c := fake.New(fake.Options{Latency: latency, Releases: releases, Basic: basic})
	settle := func(cloudprovider.PoolID) { c.Advance(time.Second) }
	return providertest.Harness{
		Provider: c, Basic: basic,
		AddVirtual: func(name string, size int) cloudprovider.PoolID {
			return c.AddPool(fake.Pool{Name: name, Size: size, Virtual: true})
		},
		AddPool: func(name string, size int) cloudprovider.PoolID {
			id := c.AddPool(fake.Pool{Name: name, Size: size, Release: releases[1]})
			settle(id)
			return id
		},
		RemovePool: c.RemovePool,
		SetSize:    c.SetSize,
		Plan: func(in cloudprovider.InstanceID, at time.Time) {
			c.Plan(cloudprovider.Maintenance{Instance: in, Effect: cloudprovider.EffectReboot, Start: at})
		},
		Console:     c.SetConsole,
		SetCapacity: func(n int) { c.SetCapacity("ZONE-1", n) },
		Settle:      settle,
		Inject: func(op providertest.Op, f providertest.Fault) {
			switch f {
			case providertest.Lost:
				c.LoseNext(string(op))
			case providertest.Throttled:
				c.FailNext(string(op), cloudprovider.ErrThrottled)
			case providertest.Unauthorized:
				c.FailNext(string(op), cloudprovider.ErrUnauthorized)
			default:
				c.FailNext(string(op), fake.ErrLost)
			}
		},
	}
}
