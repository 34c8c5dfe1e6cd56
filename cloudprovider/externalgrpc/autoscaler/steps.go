package autoscaler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// failing is whether the core takes an instance for one that could not be made:
// errors count of machines being created, and an empty code is none.
func failing(in *wire.Instance) bool {
	return in.GetStatus().GetState() == wire.InstanceStatus_CREATING && in.GetStatus().GetErrorInfo().GetErrorCode() != ""
}

// deleteFailed backs groups off that have entries with an error which the last
// loop had not seen, and deletes all such entries, in each loop again.
func (a *Autoscaler) deleteFailed(ctx context.Context, s *state, now time.Time, d *Did) error {
	seen := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		var gone []Node
		for _, in := range s.instances[id] {
			if !failing(in) {
				continue
			}
			if seen[in.GetId()] = true; !a.failed[in.GetId()] {
				a.rest(id, now)
			}
			n := madeUp(in.GetId(), "create-error")
			if of, err := a.groupOf(ctx, n); err != nil || of != id {
				return fmt.Errorf("find group of failed entry %s: %q, %w", in.GetId(), of, err)
			}
			gone = append(gone, n)
		}
		if len(gone) > 0 {
			a.delete(ctx, id, gone, d)
			d.Skipped = "deleted failed entries"
		}
	}
	a.failed = seen
	return nil
}

// rest leaves a group alone for a while, twice as long each time.
func (a *Autoscaler) rest(id string, now time.Time) {
	p := a.backOff[id]
	if now.Before(p.until) {
		return
	}
	p.length = min(max(firstBackOff, 2*p.length), longBackOff)
	p.until = now.Add(p.length)
	a.backOff[id] = p
}

// deleteUnregistered deletes machines that have not registered for a while, as
// far as the group's minimum lets it.
func (a *Autoscaler) deleteUnregistered(ctx context.Context, s *state, now time.Time, d *Did) error {
	since := map[string]time.Time{}
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		var old []Node
		for _, in := range s.instances[id] {
			if s.known[in.GetId()] || failing(in) || in.GetStatus().GetState() == wire.InstanceStatus_DELETING {
				continue
			}
			first, before := a.unregistered[in.GetId()]
			if !before {
				first = now
			}
			since[in.GetId()] = first
			n := madeUp(in.GetId(), "unregistered")
			if _, err := a.groupOf(ctx, n); err != nil {
				return err
			}
			if now.Sub(first) >= ProvisionTime {
				old = append(old, n)
			}
		}
		if room := s.size[id] - int(a.groups[id].GetMinSize()); len(old) > room {
			old = old[:max(0, room)]
		}
		if len(old) == 0 {
			continue
		}
		if err := a.options(ctx, id); err != nil {
			return err
		}
		a.delete(ctx, id, old, d)
		d.Skipped = "deleted unregistered nodes"
	}
	a.unregistered = since
	return nil
}

// fixSizes takes a target back that has not been met for a while. An error of it
// ends the loop for all groups.
func (a *Autoscaler) fixSizes(ctx context.Context, s *state, now time.Time, d *Did) error {
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		waiting := 0
		for _, in := range s.instances[id] {
			if !s.known[in.GetId()] {
				waiting++
			}
		}
		if s.have[id] >= s.size[id]-waiting {
			delete(a.short, id)
			continue
		}
		if _, before := a.short[id]; !before {
			a.short[id] = now
		}
		if now.Sub(a.short[id]) < ProvisionTime {
			continue
		}
		if err := a.options(ctx, id); err != nil {
			return err
		}
		if err := a.TakeBack(ctx, id, s.size[id]-s.have[id]); err != nil {
			return err
		}
		delete(a.short, id)
		d.Skipped = "fixed sizes"
	}
	return nil
}

// TakeBack lowers a group's target. Cores of 2026 do so as well when a scale-up
// has not been answered in time.
func (a *Autoscaler) TakeBack(ctx context.Context, id string, n int) error {
	if _, err := call(ctx, a, a.rpc.NodeGroupDecreaseTargetSize, &wire.NodeGroupDecreaseTargetSizeRequest{Id: id, Delta: int32(-n)}); err != nil {
		return fmt.Errorf("take %d back from group %s: %w", n, id, err)
	}
	return nil
}

// grow adds nodes, as far as the maximum goes, to groups that are not resting.
func (a *Autoscaler) grow(ctx context.Context, s *state, w Wish, now time.Time, d *Did) {
	for _, id := range slices.Sorted(maps.Keys(w.Grow)) {
		n := min(w.Grow[id], int(a.groups[id].GetMaxSize())-s.size[id])
		if n <= 0 || now.Before(a.backOff[id].until) {
			continue
		}
		if _, err := call(ctx, a, a.rpc.NodeGroupIncreaseSize, &wire.NodeGroupIncreaseSizeRequest{Id: id, Delta: int32(n)}); err != nil {
			a.rest(id, now)
			d.Errors = append(d.Errors, err)
			continue
		}
		d.Grown += n
	}
}

// shrink deletes nodes that are not needed. The core keeps to the minimum by
// itself; the caller need not.
func (a *Autoscaler) shrink(ctx context.Context, w Wish, d *Did) {
	by := map[string][]Node{}
	for _, n := range w.Remove {
		id, err := a.groupOf(ctx, n)
		if err != nil {
			d.Errors = append(d.Errors, err)
			continue
		}
		by[id] = append(by[id], n)
	}
	for _, id := range slices.Sorted(maps.Keys(by)) {
		if a.delete(ctx, id, by[id], d) {
			d.Shrunk += len(by[id])
		}
	}
}

func (a *Autoscaler) delete(ctx context.Context, id string, nodes []Node, d *Did) bool {
	r := &wire.NodeGroupDeleteNodesRequest{Id: id}
	for _, n := range nodes {
		r.Nodes = append(r.Nodes, n.message())
	}
	if _, err := call(ctx, a, a.rpc.NodeGroupDeleteNodes, r); err != nil {
		d.Errors = append(d.Errors, err)
		return false
	}
	return true
}
