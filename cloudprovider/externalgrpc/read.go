package externalgrpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

var errNotReady = status.Error(codes.Unavailable, "the cloud has not been read yet: it does not answer, or tidemill has just started")

// now is the view, or an error while there is none.
func (p *Plugin) now() (*view, error) {
	if v := p.view.Load(); v != nil {
		return v, nil
	}
	return nil, errNotReady
}

// group finds a group by the ID a client sent.
func (p *Plugin) group(id string) (*group, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	if g := v.byID[cloudprovider.PoolID(id)]; g != nil {
		return g, nil
	}
	return nil, status.Errorf(codes.NotFound, "there is no group %q: the pool is gone, or no longer selected", id)
}

// Refresh begins a client's loop. It reads nothing: the plugin has a clock of
// its own. Before the first good look it ends the loop, for a client that finds
// no groups would take every node for somebody else's.
func (p *Plugin) Refresh(context.Context, *wire.RefreshRequest) (*wire.RefreshResponse, error) {
	if _, err := p.now(); err != nil {
		return nil, err
	}
	return &wire.RefreshResponse{}, nil
}

// Cleanup is the client's end; nothing was kept for it.
func (p *Plugin) Cleanup(context.Context, *wire.CleanupRequest) (*wire.CleanupResponse, error) {
	return &wire.CleanupResponse{}, nil
}

// NodeGroups lists the selected pools.
func (p *Plugin) NodeGroups(context.Context, *wire.NodeGroupsRequest) (*wire.NodeGroupsResponse, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	out := &wire.NodeGroupsResponse{NodeGroups: make([]*wire.NodeGroup, len(v.groups))}
	for i, g := range v.groups {
		out.NodeGroups[i] = g.message
	}
	return out, nil
}

// NodeGroupForNode finds a node's group by its provider ID: a machine that is
// listed, or a placeholder, whose ID is all that there is of it. A Node that
// has joined since the last look is found by the annotation that OKE puts on it.
func (p *Plugin) NodeGroupForNode(_ context.Context, r *wire.NodeGroupForNodeRequest) (*wire.NodeGroupForNodeResponse, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	n := r.GetNode()
	id := instanceID(n.GetProviderId())
	if !madeUp(n) {
		p.spelling.learn(n.GetProviderId())
	}
	out := &wire.NodeGroupForNodeResponse{NodeGroup: &wire.NodeGroup{}}
	if g := v.groupOf(id, n); g != nil {
		out.NodeGroup = g.message
	}
	return out, nil
}

func (v *view) groupOf(id cloudprovider.InstanceID, n *wire.ExternalGrpcNode) *group {
	if id == "" || n.GetLabels()[v1alpha1.LabelSelfManaged] == "true" {
		return nil
	}
	if pool := id.PlaceholderPool(); pool != "" {
		return v.byID[pool]
	}
	if at, listed := v.byInstance[id]; listed {
		return at.group
	}
	return v.byID[cloudprovider.PoolID(n.GetAnnotations()[v1alpha1.AnnotationNodePoolID])]
}

// NodeGroupTargetSize is the size asked of the cloud, failed entries included.
func (p *Plugin) NodeGroupTargetSize(_ context.Context, r *wire.NodeGroupTargetSizeRequest) (*wire.NodeGroupTargetSizeResponse, error) {
	g, err := p.group(r.GetId())
	if err != nil {
		return nil, err
	}
	return &wire.NodeGroupTargetSizeResponse{TargetSize: int32(g.pool.Size)}, nil
}

// NodeGroupNodes lists the machines of a group, and the entries without one.
func (p *Plugin) NodeGroupNodes(_ context.Context, r *wire.NodeGroupNodesRequest) (*wire.NodeGroupNodesResponse, error) {
	g, err := p.group(r.GetId())
	if err != nil {
		return nil, err
	}
	out := &wire.NodeGroupNodesResponse{Instances: make([]*wire.Instance, len(g.instances))}
	for i, in := range g.instances {
		out.Instances[i] = &wire.Instance{Id: p.spelling.providerID(in.ID), Status: statusOf(in)}
	}
	return out, nil
}

// Classes of errors, as the protocol numbers them.
const (
	classOutOfResources = 1
	classOther          = 99
)

// statusOf says how a machine is. Clients read errors of machines being created
// and of no others, so that an entry that failed to become one is "creating".
func statusOf(in cloudprovider.Instance) *wire.InstanceStatus {
	switch in.State {
	case cloudprovider.Running, cloudprovider.Stopped:
		return &wire.InstanceStatus{State: wire.InstanceStatus_RUNNING}
	case cloudprovider.Deleting:
		return &wire.InstanceStatus{State: wire.InstanceStatus_DELETING}
	case cloudprovider.Creating:
		return &wire.InstanceStatus{State: wire.InstanceStatus_CREATING, ErrorInfo: errorOf(in.Fault)}
	case cloudprovider.Failed:
		fault := in.Fault
		if fault == nil {
			fault = &cloudprovider.Fault{Message: "the cloud does not say why"}
		}
		return &wire.InstanceStatus{State: wire.InstanceStatus_CREATING, ErrorInfo: errorOf(fault)}
	}
	return nil
}

func errorOf(f *cloudprovider.Fault) *wire.InstanceErrorInfo {
	if f == nil {
		return nil
	}
	out := &wire.InstanceErrorInfo{ErrorCode: f.Class.String(), ErrorMessage: f.Message, InstanceErrorClass: classOther}
	switch f.Class {
	case cloudprovider.FaultCapacity, cloudprovider.FaultLimit, cloudprovider.FaultQuota:
		out.InstanceErrorClass = classOutOfResources
	case cloudprovider.FaultUnknown:
		if f.Code != "" {
			out.ErrorCode = f.Code // an empty code would be no error
		}
	}
	return out
}

// NodeGroupTemplateNodeInfo is what a new node of the group looks like: the
// same bytes for old and for new clients. It is a node or an error, and never
// empty, on which clients crash.
func (p *Plugin) NodeGroupTemplateNodeInfo(_ context.Context, r *wire.NodeGroupTemplateNodeInfoRequest) (*wire.NodeGroupTemplateNodeInfoResponse, error) {
	g, err := p.group(r.GetId())
	if err != nil {
		return nil, err
	}
	if g.noNode != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "no template for group %s: %v", g.pool.Name, g.noNode)
	}
	return &wire.NodeGroupTemplateNodeInfoResponse{LegacyNode: g.template, Node: g.template}, nil
}

// GPULabel is the label by which the client knows a node with GPUs. An empty
// one switches what it does about GPUs off.
func (p *Plugin) GPULabel(context.Context, *wire.GPULabelRequest) (*wire.GPULabelResponse, error) {
	return &wire.GPULabelResponse{Label: p.options.GPULabel}, nil
}

// GetAvailableGPUTypes lists the values of that label among registered nodes.
// The client asks once and keeps the answer; it is used for the names in its
// metrics alone.
func (p *Plugin) GetAvailableGPUTypes(context.Context, *wire.GetAvailableGPUTypesRequest) (*wire.GetAvailableGPUTypesResponse, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	out := &wire.GetAvailableGPUTypesResponse{GpuTypes: map[string]*anypb.Any{}}
	for _, name := range v.gpuTypes {
		out.GpuTypes[name] = &anypb.Any{}
	}
	return out, nil
}
