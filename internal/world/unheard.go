package world

import (
	"strings"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// A process that begins while the cloud does not answer knows no node pool, and what
// the one before it had cordoned would stay so until the cloud is back. But who had
// taken a node stands in Kubernetes:
//
//	Node: mark, node pool ID, provider ID ──┐
//	                                        ├─► Orphan.Nodes ─► cycle gives back
//	Pool: status.nodePoolID ────────────────┘
//
// That is old news, and enough to give back what is ours. Nothing else may be done on
// it: whether a machine runs, and how many there are, Kubernetes does not know.

// unheard gives Pools, whose node pools a silent cloud has not named, the Nodes that
// say they are of them. Of several Pools that name one node pool the first has them,
// as it would have the node pool.
func (s *Snapshot) unheard() {
	byPool := map[cloudprovider.PoolID]*Orphan{}
	for i := range s.Orphans {
		o := &s.Orphans[i]
		id := stoodFor(o.Object)
		if o.Reason == CloudUnavailable && id != "" && byPool[id] == nil {
			byPool[id] = o
		}
	}
	if len(byPool) == 0 {
		return
	}
	first := map[cloudprovider.InstanceID]*Node{}
	for _, n := range s.Unmanaged {
		id := n.ID()
		if there := first[id]; there == nil || n.Registered().Before(there.Registered()) {
			first[id] = n
		}
	}
	for _, n := range s.Unmanaged {
		o := byPool[cloudprovider.PoolID(n.Object.Annotations[v1alpha1.AnnotationNodePoolID])]
		if o != nil && n.ID() != "" && first[n.ID()] == n {
			o.Nodes = append(o.Nodes, n)
		}
	}
}

// stoodFor is the node pool that the Pool stood for when the cloud answered last, ""
// if it stood for none or names another one since.
func stoodFor(p *v1alpha1.Pool) cloudprovider.PoolID {
	id, want := p.Status.NodePoolID, p.Spec.NodePoolID
	if !holds(p) || strings.HasPrefix(want, "ocid1.") && want != id {
		return ""
	}
	return cloudprovider.PoolID(id)
}
