package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Reboot implements [cloudprovider.Rebooter]. The machine is Stopped for as long
// as it boots.
func (c *Cloud) Reboot(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.serve(ctx, Call{Op: "Reboot", Pool: id, IDs: slices.Clone(ids)}, func(p *pool) error {
		return c.inPlace(p, ids, func(*entry) {})
	})
}

// ReplaceBootVolume implements [cloudprovider.BootVolumeReplacer].
func (c *Cloud) ReplaceBootVolume(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return c.serve(ctx, Call{Op: "ReplaceBootVolume", Pool: id, IDs: slices.Clone(ids)}, func(p *pool) error {
		if c.options.Basic {
			return fmt.Errorf("%w: boot volumes are replaced in enhanced clusters only", cloudprovider.ErrNotSupported)
		}
		return c.inPlace(p, ids, func(e *entry) { e.release, e.settings = p.Release, maps.Clone(p.Settings) })
	})
}

// inPlace restarts machines that stay; one that is on its way already counts as
// done.
func (c *Cloud) inPlace(p *pool, ids []cloudprovider.InstanceID, change func(*entry)) error {
	for _, in := range ids {
		if in.Placeholder() {
			return fmt.Errorf("restart %s: %w: there is no machine", in, cloudprovider.ErrInvalid)
		}
		e := p.entry(in)
		if e == nil || !e.deleting.IsZero() {
			return fmt.Errorf("restart %s: %w", in, cloudprovider.ErrNotFound)
		}
		change(e)
		if now := c.now(); e.reboot.IsZero() || !now.Before(e.reboot.Add(c.options.Latency.Boot)) {
			e.reboot = now
		}
	}
	return nil
}

// Cycle implements [cloudprovider.Cycler]: one machine after the other that does
// not run the pool's release is replaced, or gets it in place.
func (c *Cloud) Cycle(ctx context.Context, id cloudprovider.PoolID, how cloudprovider.Cycling) error {
	return c.serve(ctx, Call{Op: "Cycle", Pool: id}, func(p *pool) error {
		if how.MaxSurge < 0 || how.MaxUnavailable < 0 || (how.MaxUnavailable == 0 && (how.MaxSurge == 0 || how.InPlace)) {
			return fmt.Errorf("%w: with surge %d and unavailable %d nothing moves", cloudprovider.ErrInvalid, how.MaxSurge, how.MaxUnavailable)
		}
		if c.options.Basic {
			return fmt.Errorf("%w: node pools are cycled in enhanced clusters only", cloudprovider.ErrNotSupported)
		}
		if p.cycling != nil {
			return fmt.Errorf("a work request is under way: %w", cloudprovider.ErrConflict)
		}
		p.cycling = &how
		return nil
	})
}

// turnOver goes on with the cloud's own cycling once nothing comes or goes.
func (c *Cloud) turnOver(p *pool) {
	if p.cycling == nil {
		return
	}
	now := c.now()
	for _, e := range p.entries {
		boots := !e.reboot.IsZero() && now.Before(e.reboot.Add(c.options.Latency.Boot))
		if !e.deleting.IsZero() || e.id == "" || boots || now.Before(e.asked.Add(c.options.Latency.Launch+c.options.Latency.Boot)) {
			return
		}
	}
	for _, e := range p.entries {
		switch {
		case e.release == p.Release:
			continue
		case p.cycling.InPlace:
			e.release, e.settings, e.reboot = p.Release, maps.Clone(p.Settings), now
		default:
			e.deleting = now
			c.reconcile(p)
		}
		return
	}
	p.cycling = nil
}
