package cycle

import (
	"context"
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// killableCloud is the cloud as the process sees it.
type killableCloud struct {
	*fake.Cloud
	w       *town
	delete  func(cloudprovider.InstanceID) // sees each deletion before it happens
	resize  func(from, to int)
	shrink  func() // sees each deletion that takes the place along
	release func(cloudprovider.Release)
	flaky   *int // of its next calls every other fails or loses its answer
}

func (c killableCloud) write(do func() error) error {
	return c.w.change(func() error {
		switch c.trouble() {
		case 1:
			return cloudprovider.ErrThrottled
		case 3:
			_ = do()
			return fake.ErrLost
		}
		return do()
	})
}

func (c killableCloud) trouble() int {
	if *c.flaky <= 0 {
		return 0
	}
	*c.flaky--
	return *c.flaky % 4
}

func (c killableCloud) Pools(ctx context.Context) ([]cloudprovider.NodePool, error) {
	if c.trouble() == 1 {
		return nil, cloudprovider.ErrUnauthorized
	}
	return c.Cloud.Pools(ctx)
}

// Instances are the cloud's, with what is lost as the driver shows it.
func (c killableCloud) Instances(ctx context.Context, p cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	list, err := c.Cloud.Instances(ctx, p)
	return c.w.withLost(list), err
}

func (w *town) withLost(list []cloudprovider.Instance) []cloudprovider.Instance {
	for i := range list {
		if w.tells != nil {
			w.tells(&list[i])
		}
		if w.lost[list[i].ID] && list[i].State == cloudprovider.Running {
			list[i].State = cloudprovider.Stopped
			list[i].Fault = &cloudprovider.Fault{Class: cloudprovider.FaultLost, Message: "no such instance"}
		}
	}
	// To end what does not exist takes no time.
	return slices.DeleteFunc(list, func(in cloudprovider.Instance) bool { return w.lost[in.ID] && in.State == cloudprovider.Deleting })
}

func (c killableCloud) Replace(ctx context.Context, p cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.write(func() error {
		for _, id := range ids {
			c.delete(id)
		}
		return c.Cloud.Replace(ctx, p, ids...)
	})
}

func (c killableCloud) Resize(ctx context.Context, p cloudprovider.PoolID, from, to int) error {
	return c.write(func() error {
		c.resize(from, to)
		return c.Cloud.Resize(ctx, p, from, to)
	})
}

func (c killableCloud) SetRelease(ctx context.Context, p cloudprovider.PoolID, r cloudprovider.Release) error {
	return c.write(func() error {
		c.release(r)
		return c.Cloud.SetRelease(ctx, p, r)
	})
}

func (c killableCloud) Reboot(ctx context.Context, p cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.write(func() error {
		for _, id := range ids {
			c.delete(id)
		}
		if c.w.refuse != nil {
			return c.w.refuse
		}
		return c.Cloud.Reboot(ctx, p, ids...)
	})
}

func (c killableCloud) ReplaceBootVolume(ctx context.Context, p cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.write(func() error {
		for _, id := range ids {
			c.delete(id)
		}
		if c.w.keeps {
			return c.Cloud.Reboot(ctx, p, ids...)
		}
		return c.Cloud.ReplaceBootVolume(ctx, p, ids...)
	})
}

func (c killableCloud) Cycle(ctx context.Context, p cloudprovider.PoolID, how cloudprovider.Cycling) error {
	return c.write(func() error { return c.Cloud.Cycle(ctx, p, how) })
}

func (c killableCloud) Delete(ctx context.Context, p cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.write(func() error {
		for _, id := range ids {
			c.shrink()
			c.delete(id)
		}
		return c.Cloud.Delete(ctx, p, ids...)
	})
}
