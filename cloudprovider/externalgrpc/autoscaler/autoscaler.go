// Package autoscaler plays cluster-autoscaler: it makes the calls of its loop, in
// its order, and draws the conclusions that its core draws from the answers.
//
//	Refresh ─► NodeGroups ─► NodeGroupForNode of each node ─► sizes, instances ─┐
//	┌───────────────────────────────────────────────────────────────────────────┘
//	├─► entries with an error: back the group off, delete them, end of the loop
//	├─► machines that never registered, after a while: delete them, end of the loop
//	├─► fewer nodes than asked for, after a while: take the target back, end of the loop
//	└─► options twice for each node, templates ─► grow ─► delete what is not needed
//
// It exists because the real one cannot be imported: the tests of the plugin and
// its figures need a client that does what clients do, mistakes included. What
// the core decides (which group, which node) is told to it by its caller.
package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// The core's defaults, and the annotation on nodes that it makes up.
const (
	ProvisionTime = 15 * time.Minute
	firstBackOff  = 5 * time.Minute
	longBackOff   = 30 * time.Minute
	fakeReason    = "k8s.io/cluster-autoscaler/fake-node-reason"
)

// Node is a registered node, as much as a client tells of it.
type Node struct {
	Name, ProviderID    string
	Labels, Annotations map[string]string
}

// Did is what one loop came to.
type Did struct {
	// Skipped is why the loop ended before it scaled: "deleted failed entries",
	// "deleted unregistered nodes", "fixed sizes" or "".
	Skipped string
	// Grown and Shrunk count what was asked for; BackedOff are groups that are
	// left alone now.
	Grown, Shrunk int
	BackedOff     []string
	// Errors are refusals that a loop survives.
	Errors []error
}

// Wish is what the core has decided on: nodes to add by group, and a node that is
// not needed. A loop that is skipped leaves both for the next.
type Wish struct {
	Grow   map[string]int
	Remove []Node
}

// Autoscaler is a client with its memory from loop to loop.
type Autoscaler struct {
	Calls int // so far

	rpc  wire.CloudProviderClient
	conn *grpc.ClientConn

	groups       map[string]*wire.NodeGroup
	of           map[string]string // group by provider ID, until the next loop
	failed       map[string]bool   // entries with errors that the last loop saw
	unregistered map[string]time.Time
	short        map[string]time.Time // since when a group has fewer nodes than it should
	backOff      map[string]pause
}

type pause struct {
	until  time.Time
	length time.Duration
}

// Dial opens a connection without TLS to host:port or unix:///path.
func Dial(address string) (*Autoscaler, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	a := New(conn)
	a.conn = conn
	return a, nil
}

// New is a client over a connection of somebody else's.
func New(conn grpc.ClientConnInterface) *Autoscaler {
	return &Autoscaler{rpc: wire.NewCloudProviderClient(conn), failed: map[string]bool{}, unregistered: map[string]time.Time{},
		short: map[string]time.Time{}, backOff: map[string]pause{}}
}

// Close closes the connection that Dial opened.
func (a *Autoscaler) Close() error {
	if a.conn == nil {
		return nil
	}
	return a.conn.Close()
}

// call counts a call.
func call[Q, R any](ctx context.Context, a *Autoscaler, f func(context.Context, Q, ...grpc.CallOption) (R, error), request Q) (R, error) {
	a.Calls++
	return f(ctx, request)
}

// state is what one loop reads.
type state struct {
	size      map[string]int
	instances map[string][]*wire.Instance
	have      map[string]int // registered nodes
	known     map[string]bool
}

// read makes the calls that begin a loop; an error of one of them ends it.
func (a *Autoscaler) read(ctx context.Context, nodes []Node) (*state, error) {
	if _, err := call(ctx, a, a.rpc.Refresh, &wire.RefreshRequest{}); err != nil {
		return nil, fmt.Errorf("refresh: %w", err)
	}
	answer, err := call(ctx, a, a.rpc.NodeGroups, &wire.NodeGroupsRequest{})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	a.groups, a.of = map[string]*wire.NodeGroup{}, map[string]string{}
	for _, g := range answer.GetNodeGroups() {
		a.groups[g.GetId()] = g
	}
	s := &state{size: map[string]int{}, instances: map[string][]*wire.Instance{}, have: map[string]int{}, known: map[string]bool{}}
	for _, n := range nodes {
		id, err := a.groupOf(ctx, n)
		if err != nil {
			return nil, err
		}
		s.known[n.ProviderID] = true
		s.have[id]++
	}
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		size, err := call(ctx, a, a.rpc.NodeGroupTargetSize, &wire.NodeGroupTargetSizeRequest{Id: id})
		if err != nil {
			return nil, fmt.Errorf("read size of group %s: %w", id, err)
		}
		list, err := call(ctx, a, a.rpc.NodeGroupNodes, &wire.NodeGroupNodesRequest{Id: id})
		if err != nil {
			return nil, fmt.Errorf("list instances of group %s: %w", id, err)
		}
		s.size[id], s.instances[id] = int(size.GetTargetSize()), list.GetInstances()
	}
	return s, nil
}

// groupOf asks once in a loop, but for nodes that are nobody's.
func (a *Autoscaler) groupOf(ctx context.Context, n Node) (string, error) {
	key := n.Name + n.ProviderID
	if id := a.of[key]; id != "" {
		return id, nil
	}
	r, err := call(ctx, a, a.rpc.NodeGroupForNode, &wire.NodeGroupForNodeRequest{Node: n.message()})
	if err != nil {
		return "", fmt.Errorf("find group of node %s: %w", n.Name, err)
	}
	a.of[key] = r.GetNodeGroup().GetId()
	return a.of[key], nil
}

func (n Node) message() *wire.ExternalGrpcNode {
	return &wire.ExternalGrpcNode{ProviderId: n.ProviderID, Name: n.Name, Labels: n.Labels, Annotations: n.Annotations}
}

// madeUp is the node that the core makes of an instance that has none.
func madeUp(id, reason string) Node {
	return Node{Name: id, ProviderID: id, Annotations: map[string]string{fakeReason: reason}}
}

// options asks for those of a group; both ways of saying "none" are fine.
func (a *Autoscaler) options(ctx context.Context, id string) error {
	defaults := &wire.NodeGroupAutoscalingOptions{
		ScaleDownUtilizationThreshold: 0.5, ScaleDownUnneeded: durationpb.New(10 * time.Minute),
		ScaleDownUnready: durationpb.New(20 * time.Minute), MaxNodeProvision: durationpb.New(ProvisionTime), MaxNodeStartup: durationpb.New(ProvisionTime),
	}
	_, err := call(ctx, a, a.rpc.NodeGroupGetOptions, &wire.NodeGroupAutoscalingOptionsRequest{Id: id, Defaults: defaults})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("read options of group %s: %w", id, err)
	}
	return nil
}

// Read makes the calls of a loop in which nothing is to be done, as the core of
// 1.35 and later makes them.
func (a *Autoscaler) Read(ctx context.Context, nodes []Node) error {
	_, err := a.Loop(ctx, nodes, Wish{}, time.Now())
	return err
}

// Loop is one loop at the time now. Its error is one that ends a loop for all
// groups.
func (a *Autoscaler) Loop(ctx context.Context, nodes []Node, w Wish, now time.Time) (Did, error) {
	s, err := a.read(ctx, nodes)
	if err != nil {
		return Did{}, err
	}
	var d Did
	for _, step := range []func(context.Context, *state, time.Time, *Did) error{a.deleteFailed, a.deleteUnregistered, a.fixSizes} {
		if err := step(ctx, s, now, &d); err != nil || d.Skipped != "" {
			d.BackedOff = a.resting(now)
			return d, err
		}
	}
	for _, n := range nodes {
		for range 2 { // max-node-startup-time, in two places
			if err := a.options(ctx, a.of[n.Name+n.ProviderID]); err != nil {
				return d, err
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.groups)) {
		if _, err := call(ctx, a, a.rpc.NodeGroupTargetSize, &wire.NodeGroupTargetSizeRequest{Id: id}); err != nil {
			return d, fmt.Errorf("read size of group %s again: %w", id, err)
		}
		answer, err := call(ctx, a, a.rpc.NodeGroupTemplateNodeInfo, &wire.NodeGroupTemplateNodeInfoRequest{Id: id})
		if err == nil && len(answer.GetNode()) == 0 {
			return d, fmt.Errorf("read template of group %s: %w", id, errors.New("it is empty, on which the core panics"))
		}
	}
	a.grow(ctx, s, w, now, &d)
	a.shrink(ctx, w, &d)
	d.BackedOff = a.resting(now)
	return d, nil
}

func (a *Autoscaler) resting(now time.Time) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(a.backOff)) {
		if now.Before(a.backOff[id].until) {
			ids = append(ids, id)
		}
	}
	return ids
}
