package oke

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Instances implements [cloudprovider.Provider]. It costs one request, a share in
// a list of the compartment's instances each minute, and two or three for a work
// request that has failed, once.
func (p *Provider) Instances(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	if isVirtual(id) {
		return nil, nil
	}
	l, err := p.recentLook(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list instances of node pool %s: %w", id, err)
	}
	list := entries(id, l.pool.Nodes)
	if failed := p.failureOf(ctx, id, l); failed != nil {
		list = blame(list, l.pool, *failed)
	}
	compartment := str(l.pool.CompartmentId)
	var ids []string
	for _, in := range list {
		if !in.ID.Placeholder() {
			ids = append(ids, string(in.ID))
		}
	}
	inv := p.inventory(compartment)
	inv.renew(list)
	machines := p.machinesOf(ctx, compartment, ids)
	for i := range list {
		in := &list[i]
		if m, ok := machines[string(in.ID)]; ok {
			in.Created, in.Release.Image, in.Release.ImageName = m.created, m.image, p.imageName(ctx, m.image)
			in.Settings = m.made.settings(l.pool)
			afterCompute(in, m)
		} else if !in.ID.Placeholder() && in.State == cloudprovider.Running && inv.gone(string(in.ID)) {
			in.State, in.Fault = cloudprovider.Stopped, &cloudprovider.Fault{Class: cloudprovider.FaultLost, Code: "InstanceNotFound", Message: "Compute knows of no such instance: it was terminated outside of OKE"}
		}
	}
	slices.SortFunc(list, func(a, b cloudprovider.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list, ctx.Err()
}

// afterCompute corrects what OKE believes of a machine that Compute knows to be
// dead. It is Stopped and not Failed: its Node may still have pods to be moved,
// and what replaces a stopped machine keeps the pool's size.
func afterCompute(in *cloudprovider.Instance, m machine) {
	if in.State != cloudprovider.Running && in.State != cloudprovider.StateUnknown && in.State != cloudprovider.Creating {
		return
	}
	dead := &cloudprovider.Fault{Code: "Instance" + string(m.state), Message: "Compute says that the instance is " + string(m.state) + ", OKE does not know"}
	switch m.state {
	case core.InstanceLifecycleStateTerminating:
		in.State, in.Fault = cloudprovider.Deleting, dead
	case core.InstanceLifecycleStateTerminated:
		if m.read.After(m.since) { // read twice, a list apart
			dead.Class = cloudprovider.FaultLost
		}
		in.State, in.Fault = cloudprovider.Stopped, dead
	case core.InstanceLifecycleStateStopped:
		if m.read.Sub(m.since) >= settled {
			in.State, in.Fault = cloudprovider.Stopped, dead
		}
	}
}

// entries turns a pool's node list into instances, in order of ID.
func entries(pool cloudprovider.PoolID, nodes []containerengine.Node) []cloudprovider.Instance {
	list := make([]cloudprovider.Instance, 0, len(nodes))
	placeholders := placeholderIDs(pool, nodes)
	for i, n := range nodes {
		if n.LifecycleState == containerengine.NodeLifecycleStateDeleted {
			continue
		}
		id := cloudprovider.InstanceID(str(n.Id))
		if id == "" {
			id = placeholders[i]
		}
		list = append(list, cloudprovider.Instance{
			ID: id, Pool: pool, Name: str(n.Name), Zone: zone(str(n.AvailabilityDomain)), FaultDomain: str(n.FaultDomain), Address: str(n.PrivateIp),
			Release: cloudprovider.Release{Kubernetes: str(n.KubernetesVersion)}, State: state(n), Fault: faultOf(n),
		})
	}
	slices.SortFunc(list, func(a, b cloudprovider.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// placeholderIDs names the entries without an instance OCID, by index.
//
// The ID must be the same in the next call, when other entries may have come or
// gone: it is made of what the entry says of itself and not of its place in the
// list. Its name does, and is unique in the pool. The service has also been seen
// to send an empty name; then what is left, where it was to be placed, is counted
// through: the IDs stay the same as a set, and the entries behind them are alike.
func placeholderIDs(pool cloudprovider.PoolID, nodes []containerengine.Node) map[int]cloudprovider.InstanceID {
	ids := map[int]cloudprovider.InstanceID{}
	taken := map[int]bool{}
	alike := map[string]int{}
	for i, n := range nodes {
		if str(n.Id) != "" {
			continue
		}
		key := str(n.Name)
		if key == "" {
			key = str(n.AvailabilityDomain) + "|" + str(n.FaultDomain) + "|" + str(n.SubnetId)
			alike[key]++
			key = fmt.Sprintf("%s|%d", key, alike[key])
		}
		h := fnv.New32a()
		h.Write([]byte(key))
		number := int(h.Sum32())
		for taken[number] { // a clash of hashes, or a name sent twice
			number++
		}
		taken[number] = true
		ids[i] = cloudprovider.Placeholder(pool, number)
	}
	return ids
}

// state maps the life of a node. A FAILING one that has a machine runs; why OKE has given
// up on it is its fault, see faultOf. What OKE may say beside is StateUnknown: such a
// machine is neither trusted nor deleted.
func state(n containerengine.Node) cloudprovider.State {
	machine := str(n.Id) != ""
	switch n.LifecycleState {
	case containerengine.NodeLifecycleStateDeleting:
		return cloudprovider.Deleting
	case containerengine.NodeLifecycleStateCreating, containerengine.NodeLifecycleStateUpdating:
		if !machine && n.NodeError != nil {
			return cloudprovider.Failed
		}
		return cloudprovider.Creating
	}
	switch {
	case !machine && n.NodeError != nil:
		return cloudprovider.Failed
	case !machine:
		return cloudprovider.Creating
	case n.LifecycleState == containerengine.NodeLifecycleStateActive, n.LifecycleState == containerengine.NodeLifecycleStateFailing:
		// OKE has given up on a failing one, but its machine runs and is paid for:
		// whether it is a Node, Kubernetes knows, and one that never became a Node is
		// deleted in its time. As a state that nobody knows it would have stayed for ever.
		return cloudprovider.Running
	case n.LifecycleState == containerengine.NodeLifecycleStateInactive:
		return cloudprovider.Stopped
	}
	return cloudprovider.StateUnknown
}

func faultOf(n containerengine.Node) *cloudprovider.Fault {
	switch {
	case n.NodeError != nil:
		return fault(str(n.NodeError.Code), str(n.NodeError.Message))
	case n.LifecycleState == containerengine.NodeLifecycleStateFailing:
		return fault(string(n.LifecycleState), str(n.LifecycleDetails))
	}
	return nil
}
