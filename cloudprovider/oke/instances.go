package oke

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Instances implements [cloudprovider.Provider]. It costs one request, and for
// instances not seen before one each, or a list of the compartment if there are
// many.
func (p *Provider) Instances(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	look, err := p.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list instances of node pool %s: %w", id, err)
	}
	list := entries(id, look.pool.Nodes)
	known := p.factsOf(ctx, id, look.pool, list)
	for i := range list {
		f, ok := known[string(list[i].ID)]
		if !ok {
			continue
		}
		list[i].Created = f.created
		list[i].Release.Image, list[i].Release.ImageName = f.image, f.imageName
	}
	return list, ctx.Err()
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
			ID: id, Pool: pool, Name: str(n.Name), Zone: zone(str(n.AvailabilityDomain)), FaultDomain: str(n.FaultDomain),
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

// state maps the life of a node. FAILING is deliberately StateUnknown: nobody
// says whether such a machine comes back, and an unknown one is neither trusted
// nor deleted.
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
	case n.LifecycleState == containerengine.NodeLifecycleStateActive:
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

// facts are what Compute knows of an instance and Container Engine does not
// tell. They do not change while the instance lives, unless its boot volume is
// replaced, and then its Kubernetes version does too.
type facts struct {
	image, imageName string
	created          time.Time
	kubernetes       string // when they were read
}

// manyUnknown is from how many unknown instances on listing the compartment is
// cheaper than asking for each.
const manyUnknown = 8

// factsOf are the facts of a pool's instances, as far as they can be had: an
// image that is not known now is no reason to list no instances.
func (p *Provider) factsOf(ctx context.Context, id cloudprovider.PoolID, pool containerengine.NodePool, list []cloudprovider.Instance) map[string]facts {
	m := p.memory(id)
	m.mu.Lock()
	known := make(map[string]facts, len(list))
	var missing []cloudprovider.Instance
	for _, in := range list {
		f, ok := m.facts[string(in.ID)]
		switch {
		case ok && f.kubernetes == in.Release.Kubernetes:
			known[string(in.ID)] = f
		case !in.ID.Placeholder():
			missing = append(missing, in)
		}
	}
	m.mu.Unlock()
	maps.Copy(known, p.readFacts(ctx, str(pool.CompartmentId), missing))
	for key, f := range known {
		if f.imageName == "" {
			f.imageName = p.imageName(ctx, f.image)
			known[key] = f
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = maps.Clone(known) // those that are gone are forgotten
	return known
}

// readFacts asks Compute about instances.
func (p *Provider) readFacts(ctx context.Context, compartment string, missing []cloudprovider.Instance) map[string]facts {
	found := map[string]facts{}
	if len(missing) >= manyUnknown {
		all, err := p.listInstances(ctx, compartment)
		if err != nil {
			p.log.WarnContext(ctx, "list instances", "compartment", compartment, "err", err)
		}
		for _, in := range missing {
			if core, ok := all[string(in.ID)]; ok {
				found[string(in.ID)] = factsFrom(core, in)
			}
		}
		missing = slices.DeleteFunc(missing, func(in cloudprovider.Instance) bool { _, ok := found[string(in.ID)]; return ok })
	}
	answers := make([]*core.Instance, len(missing))
	parallel(len(missing), func(i int) { answers[i] = p.getInstance(ctx, missing[i].ID) })
	for i, in := range answers {
		if in != nil {
			found[string(missing[i].ID)] = factsFrom(*in, missing[i])
		}
	}
	return found
}

func factsFrom(c core.Instance, in cloudprovider.Instance) facts {
	f := facts{image: str(c.ImageId), kubernetes: in.Release.Kubernetes}
	if source, ok := c.SourceDetails.(core.InstanceSourceViaImageDetails); ok {
		f.image = str(source.ImageId)
	}
	if c.TimeCreated != nil {
		f.created = c.TimeCreated.Time
	}
	return f
}

// getInstance is nil if Compute does not answer or does not know it.
func (p *Provider) getInstance(ctx context.Context, id cloudprovider.InstanceID) *core.Instance {
	r, err := call(ctx, p, p.readPolicy, "GetInstance", func(ctx context.Context) (core.GetInstanceResponse, error) {
		return p.compute.GetInstance(ctx, core.GetInstanceRequest{InstanceId: common.String(string(id))})
	})
	if err != nil {
		p.log.WarnContext(ctx, "get instance", "instance", id, "err", err)
		return nil
	}
	return &r.Instance
}

// listInstances reads a compartment's instances to the end.
func (p *Provider) listInstances(ctx context.Context, compartment string) (map[string]core.Instance, error) {
	all := map[string]core.Instance{}
	var page *string
	for {
		r, err := call(ctx, p, p.readPolicy, "ListInstances", func(ctx context.Context) (core.ListInstancesResponse, error) {
			return p.compute.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: &compartment, Limit: common.Int(1000), Page: page})
		})
		if err != nil {
			return all, err
		}
		for _, in := range r.Items {
			all[str(in.Id)] = in
		}
		if str(r.OpcNextPage) == "" || str(r.OpcNextPage) == str(page) {
			return all, nil
		}
		page = r.OpcNextPage
	}
}
