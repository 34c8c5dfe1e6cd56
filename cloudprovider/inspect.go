package cloudprovider

import (
	"context"
	"fmt"
	"time"
)

// Inspector is implemented by clouds that know of a machine what neither its
// pool nor its Node tells.
type Inspector interface {
	// Maintenance lists what the cloud plans to do, or is doing, to machines of
	// the pool that will be felt or can be chosen, soonest first; what is over is
	// not listed, and a machine may be listed more than once. ErrNotFound if the
	// pool is gone, ErrUnauthorized if it may not be seen: an empty list means that
	// nothing is planned.
	Maintenance(ctx context.Context, pool PoolID) ([]Maintenance, error)

	// Console gives the end of what the machine has written to its serial console,
	// at most 1 MiB, oldest first. It works on a machine that answers nobody.
	//
	// It is no plain read: the cloud takes a copy of the console, which is removed
	// again before Console returns, also on errors, as far as the cloud lets it.
	// It takes seconds, and is done once however often it is tried. ErrInvalid for
	// a placeholder, ErrNotFound if the pool or the instance is gone or the instance
	// is none of the pool's.
	Console(ctx context.Context, pool PoolID, id InstanceID) ([]byte, error)
}

// Maintenance is something that the cloud does to a machine of its own accord.
type Maintenance struct {
	Instance InstanceID
	// ID is the cloud's name of it, "" where it has none.
	ID string
	// Effect is what becomes of the machine.
	Effect MaintenanceEffect
	// Start is when it begins at the earliest; Deadline is when it comes at the
	// latest, zero where the cloud does not say.
	Start, Deadline time.Time
	// Started is whether it is under way.
	Started bool
	// Reason is the cloud's own word for why ("HARDWARE_REPLACEMENT"), Action for
	// what ("REBOOT_MIGRATION"), Description a sentence for people; any may be "".
	Reason, Action, Description string
}

// MaintenanceEffect is what a maintenance does to a machine.
type MaintenanceEffect int

const (
	// EffectUnknown is a word that this version does not know: it is expected to
	// be felt.
	EffectUnknown MaintenanceEffect = iota
	// EffectNone is not felt: the machine moves while it runs.
	EffectNone
	// EffectReboot restarts the machine, on another host.
	EffectReboot
	// EffectStop stops it until somebody starts it.
	EffectStop
	// EffectTerminate ends it, with what is on its disks.
	EffectTerminate
)

var effectNames = [...]string{"unknown", "none", "reboot", "stop", "terminate"}

// String gives the effect's name.
func (e MaintenanceEffect) String() string {
	if e < 0 || int(e) >= len(effectNames) {
		return "unknown"
	}
	return effectNames[e]
}

// Maintenance is [Inspector.Maintenance], or ErrNotSupported.
func (f *Fleet) Maintenance(ctx context.Context, pool PoolID) (list []Maintenance, err error) {
	i, ok := f.provider.(Inspector)
	if !ok {
		return nil, fmt.Errorf("read maintenance of pool %s: %w", pool, ErrNotSupported)
	}
	defer f.metrics.observe("Maintenance", time.Now(), &err)
	return i.Maintenance(ctx, pool)
}

// Console is [Inspector.Console], or ErrNotSupported. Dry run does not keep it
// back: it changes no machine and no pool.
func (f *Fleet) Console(ctx context.Context, pool PoolID, id InstanceID) (text []byte, err error) {
	i, ok := f.provider.(Inspector)
	if !ok {
		return nil, fmt.Errorf("read console of %s: %w", id, ErrNotSupported)
	}
	defer f.metrics.observe("Console", time.Now(), &err)
	return i.Console(ctx, pool, id)
}
