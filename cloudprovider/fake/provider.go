package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
)

var (
	_ cloudprovider.Provider = (*Cloud)(nil)
	_ cloudprovider.Replacer = (*Cloud)(nil)
	_ cloudprovider.Releaser = (*Cloud)(nil)

	_ cloudprovider.Rebooter           = (*Cloud)(nil)
	_ cloudprovider.BootVolumeReplacer = (*Cloud)(nil)
	_ cloudprovider.Cycler             = (*Cloud)(nil)
	_ cloudprovider.CapacityReporter   = (*Cloud)(nil)
	_ cloudprovider.Inspector          = (*Cloud)(nil)
)

// Pools implements [cloudprovider.Provider].
func (c *Cloud) Pools(ctx context.Context) (list []cloudprovider.NodePool, err error) {
	err = c.serve(ctx, Call{Op: "Pools"}, func(*pool) error {
		for _, p := range c.pools {
			list = append(list, p.view(c.now()))
		}
		slices.SortFunc(list, func(a, b cloudprovider.NodePool) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return list, err
}

// Instances implements [cloudprovider.Provider].
func (c *Cloud) Instances(ctx context.Context, id cloudprovider.PoolID) (list []cloudprovider.Instance, err error) {
	err = c.serve(ctx, Call{Op: "Instances", Pool: id}, func(p *pool) error {
		for _, e := range p.entries {
			list = append(list, e.view(p, c.options.Latency, c.now()))
		}
		slices.SortFunc(list, func(a, b cloudprovider.Instance) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return list, err
}

// Resize implements [cloudprovider.Provider].
func (c *Cloud) Resize(ctx context.Context, id cloudprovider.PoolID, from, to int) error {
	return c.serve(ctx, Call{Op: "Resize", Pool: id, From: from, To: to}, func(p *pool) error {
		if p.Size == to {
			return nil
		}
		if p.Size != from {
			return fmt.Errorf("size is %d, not %d: %w", p.Size, from, cloudprovider.ErrConflict)
		}
		return c.shrinkOrGrow(p, to)
	})
}

// shrinkOrGrow sets the size unless a live machine would go for it.
func (c *Cloud) shrinkOrGrow(p *pool, to int) error {
	live := 0
	for _, e := range p.entries {
		if e.live() {
			live++
		}
	}
	if to < p.Size && to < live {
		return fmt.Errorf("size %d would remove a live instance, there are %d: %w", to, live, cloudprovider.ErrConflict)
	}
	p.Size = to
	c.reconcile(p)
	return nil
}

// Delete implements [cloudprovider.Provider].
func (c *Cloud) Delete(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.serve(ctx, Call{Op: "Delete", Pool: id, IDs: slices.Clone(ids)}, func(p *pool) error {
		for _, in := range ids {
			switch e := p.entry(in); {
			case e != nil && e.deleting.IsZero():
				p.Size--
				c.remove(p, e)
			case !in.Placeholder():
				cloudprovider.FoundGone(ctx)
			}
		}
		return nil
	})
}

// Replace implements [cloudprovider.Replacer].
func (c *Cloud) Replace(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.serve(ctx, Call{Op: "Replace", Pool: id, IDs: slices.Clone(ids)}, func(p *pool) error {
		for _, in := range ids {
			if in.Placeholder() {
				return fmt.Errorf("replace %s: %w: there is no machine", in, cloudprovider.ErrInvalid)
			}
			if e := p.entry(in); e != nil && e.deleting.IsZero() {
				c.remove(p, e)
				c.reconcile(p)
			}
		}
		return nil
	})
}

// Releases implements [cloudprovider.Releaser].
func (c *Cloud) Releases(ctx context.Context, id cloudprovider.PoolID) (list []cloudprovider.Release, err error) {
	err = c.serve(ctx, Call{Op: "Releases", Pool: id}, func(*pool) error {
		list = slices.Clone(c.options.Releases)
		return nil
	})
	return list, err
}

// SetRelease implements [cloudprovider.Releaser].
func (c *Cloud) SetRelease(ctx context.Context, id cloudprovider.PoolID, r cloudprovider.Release) error {
	return c.serve(ctx, Call{Op: "SetRelease", Pool: id, Release: r}, func(p *pool) error {
		i := slices.IndexFunc(c.options.Releases, func(known cloudprovider.Release) bool {
			return known.Image == r.Image || (r.Image == "" && known.Kubernetes == r.Kubernetes)
		})
		if i < 0 {
			return fmt.Errorf("image %q: %w", r.Image, cloudprovider.ErrNotFound)
		}
		known := c.options.Releases[i]
		if known.Kubernetes != r.Kubernetes {
			return fmt.Errorf("image %q is of Kubernetes %s: %w", r.Image, known.Kubernetes, cloudprovider.ErrInvalid)
		}
		p.Release = known
		return nil
	})
}

// reads are the calls that change nothing.
var reads = []string{"Pools", "Instances", "Releases", "Capacity", "Maintenance", "Console"}

// serve is the way of each call: the context, an armed fault, the pool, what is
// to be done, the record.
func (c *Cloud) serve(ctx context.Context, call Call, do func(*pool) error) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s pool %s: %w", call.Op, call.Pool, err)
		}
		call.Err = err
		c.calls = append(c.calls, call)
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	c.tick()
	f, met := c.nextFault(call.Op)
	if met && !f.lost {
		return f.err
	}
	p := c.find(call.Pool)
	if p == nil && call.Op != "Pools" {
		return cloudprovider.ErrNotFound
	}
	if p != nil && p.Virtual && !slices.Contains(reads, call.Op) {
		return fmt.Errorf("%w: the pool is a virtual one", cloudprovider.ErrNotSupported)
	}
	err = do(p)
	if met {
		return ErrLost
	}
	return err
}

func (c *Cloud) nextFault(op string) (fault, bool) {
	i := slices.IndexFunc(c.faults, func(f fault) bool { return f.op == op })
	if i < 0 {
		return fault{}, false
	}
	f := c.faults[i]
	c.faults = slices.Delete(c.faults, i, i+1)
	return f, true
}

// entry finds what an ID stands for, nil if it is gone.
func (p *pool) entry(id cloudprovider.InstanceID) *entry {
	i := slices.IndexFunc(p.entries, func(e *entry) bool {
		return e.id == id || (e.id == "" && cloudprovider.Placeholder(p.ID, e.n) == id)
	})
	if i < 0 {
		return nil
	}
	return p.entries[i]
}
