package cycle

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// A machine may end behind everybody's back: its host dies, a person terminates it
// in the console. The cloud's node controller then removes its Node, and with it
// every mark; what stays is an entry in the node pool that holds a place and is no
// machine. Nobody says whether OKE fills it again by itself, and when. So it is
// ended here, by a decision that two witnesses carry:
//
//	cloud: there is no such machine, twice ─┐
//	                                        ├─► pool above its desired size? ─► delete the entry
//	cluster: no Node names it, live ────────┘   else ─► delete it and keep the size (Refill)
//
// Nothing is disrupted by that, and so no budget is asked. Should the cloud have
// begun to do the same, the second request finds nothing to delete.

// vanished is whether the node is an entry of the pool whose machine is proven
// not to exist, and that is no Node any more, or never was one.
func vanished(n *world.Node) bool {
	return n.Object == nil && lostMachine(n)
}

// lostMachine is whether the cloud has proven that the machine does not exist.
func lostMachine(n *world.Node) bool {
	in := n.Instance
	return in != nil && in.State == cloudprovider.Stopped && in.Fault != nil && in.Fault.Class == cloudprovider.FaultLost
}

func (d *decision) vanished() []*world.Node {
	var out []*world.Node
	for _, n := range d.pool.Nodes {
		if vanished(n) {
			out = append(out, n)
		}
	}
	return out
}

// lost ends such entries, and says whether that changes the pool's size. What
// comes anew is not asked for all at once: as many as may be emptied at once.
func (d *decision) lost(run *v1alpha1.CycleStatus) (shrinks bool) {
	young, beyond := 0, 0
	for _, n := range d.pool.Nodes {
		if coming(n) && !d.old(n) {
			young++
		}
	}
	room := d.maxParallel() - young
	// Blue nodes that are empty and soak hold places: a green one is made anew.
	if run != nil && strategyOf(nil, run) != v1alpha1.StrategyBlueGreen {
		beyond = d.pool.Cloud.Size - int(run.Desired)
	}
	for _, n := range d.vanished() {
		why := "its machine does not exist any more: " + n.Instance.Fault.Message
		switch off := d.refillOff(run); {
		case beyond > 0:
			beyond--
			d.do(nodeStep(DeleteInstance, n))
			shrinks = true
		case off != "":
			d.block(n, MachineGone, why+"; "+off)
		case d.refusal(Refill) != "":
			d.block(n, MachineGone, why+"; the cloud does not fill its place: "+d.refusal(Refill))
		case room <= 0:
			d.block(n, MachineGone, fmt.Sprintf("%s; its place is filled when some of %d new machines are there", why, young))
		default:
			room--
			s := nodeStep(Refill, n)
			s.Reason, s.Message = MachineGone, why
			d.do(s)
		}
	}
	return shrinks
}

// unjoined has the oldest machine made anew that has never become a node, where no
// run and no scaling does: one at a time, so that an image that cannot boot costs a
// machine in each join time and no more. The doctor's brake stops it for a cause
// that is common.
func (d *decision) unjoined() {
	var first *world.Node
	for _, n := range d.pool.Nodes {
		if n.Object != nil || !coming(n) {
			continue
		}
		if !d.old(n) {
			return // one is on its way
		}
		if first == nil || n.Created().Before(first.Created()) {
			first = n
		}
	}
	if first == nil || d.pool.ScaleSpec() != nil {
		return
	}
	why := fmt.Sprintf("it is no node %s after its creation", d.s.Now.Sub(first.Created()).Round(time.Minute))
	if off := d.refillOff(nil); off != "" {
		d.block(first, JoinTimeout, why+"; "+off)
		return
	}
	if meta.IsStatusConditionTrue(d.pool.Object.Status.Conditions, v1alpha1.ConditionBraked) {
		d.block(first, JoinTimeout, why+"; the doctor has braked")
		return
	}
	s := nodeStep(Refill, first)
	s.Reason, s.Message = JoinTimeout, why
	d.do(s)
}

// refillOff is why the pool's user has not asked for lost machines to be made
// anew, "" if they have: a run needs its size, scaling stands for the size it has
// asked for, and repair is about nothing else.
func (d *decision) refillOff(run *v1alpha1.CycleStatus) string {
	repair := d.pool.RepairSpec()
	switch {
	case run != nil && d.pool.Cloud.Health.Updating && strategyOf(nil, run) == v1alpha1.StrategyDelegate:
		return "OKE is cycling the node pool"
	case run != nil, d.pool.ScaleSpec() != nil && repair == nil, repair != nil && repair.Mode == v1alpha1.RepairOn:
		return ""
	case repair != nil && repair.Mode == v1alpha1.RepairDryRun:
		return "another would be made if spec.repair.mode were On"
	}
	return "repair is off for this pool: set spec.repair.mode to On, or delete the node in OKE"
}

// refill ends the entry of a lost machine, if a live look finds no Node that
// names it.
func (t *turn) refill(ctx context.Context, s Step) error {
	ctx, err := t.still(ctx, s, t.neverRegistered)
	if err != nil {
		return err
	}
	return t.Fleet.Replace(ctx, s.PoolID, s.Instance)
}
