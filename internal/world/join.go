package world

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// Join puts the two sides together. It is pure.
func Join(o Objects, cloud cloudprovider.Cloud, now time.Time) *Snapshot {
	return join(o, pointers(o.Pods), newRoll(), cloud, now, nil)
}

func pointers(pods []corev1.Pod) []*corev1.Pod {
	out := make([]*corev1.Pod, len(pods))
	for i := range pods {
		out[i] = &pods[i]
	}
	return out
}

// join is Join with pods in place of those in o, which the roll may know already, and
// with what has been seen of Nodes; nil if nobody has watched.
func join(o Objects, pods []*corev1.Pod, r *roll, cloud cloudprovider.Cloud, now time.Time, seen *witness) *Snapshot {
	byNode, pending := r.call(pods)
	s := joinPlaced(o, byNode, cloud, now, seen)
	s.Pending = pending
	return s
}

// JoinPlaced is Join with the pods that are on nodes, by the nodes' names, in
// place of those in o; nobody is pending. Whoever reads 60,000 of them page by
// page can keep less of each than a pod that says where it is.
func JoinPlaced(o Objects, byNode map[string][]*corev1.Pod, cloud cloudprovider.Cloud, now time.Time) *Snapshot {
	return joinPlaced(o, byNode, cloud, now, nil)
}

func joinPlaced(o Objects, byNode map[string][]*corev1.Pod, cloud cloudprovider.Cloud, now time.Time, seen *witness) *Snapshot {
	s := &Snapshot{
		Now: now, CloudObserved: cloud.Observed, CloudErr: cloud.Err,
		PDBs: sorted(o.PDBs), DaemonSets: sorted(o.DaemonSets), Namespaces: sorted(o.Namespaces), PVCs: sorted(o.PVCs),
		PVs: sorted(o.PVs), StorageClasses: sorted(o.StorageClasses), CSINodes: sorted(o.CSINodes),
		Attachments: sorted(o.Attachments), Balancers: balancers(o.Services),
		Devices: Devices{
			Claims: sorted(o.ResourceClaims), Templates: sorted(o.ResourceClaimTemplates), Classes: sorted(o.DeviceClasses),
			Slices: sorted(o.ResourceSlices), Away: o.DevicesAway,
		},
	}
	s.joinNodes(sorted(o.Nodes), cloud, byNode, seen)
	s.joinPools(sorted(o.Pools), cloud)
	for _, p := range s.Pools {
		if p.Object != nil {
			p.Learned = p.Object.Status.Learned
		}
		p.Learned = Learn(p.Cloud, p.Nodes, p.Learned, now)
		p.Cloud = Taught(p.Cloud, p.Learned)
	}
	s.joinSlices()
	return s
}

// joinNodes makes the pools and puts each machine into its own.
func (s *Snapshot) joinNodes(nodes []*corev1.Node, cloud cloudprovider.Cloud, pods map[string][]*corev1.Pod, seen *witness) {
	byID := map[cloudprovider.InstanceID]*Node{}
	byPool := map[cloudprovider.PoolID]*Pool{}
	for _, cp := range cloud.Pools {
		p := &Pool{Name: string(cp.ID), Cloud: cp}
		for _, in := range cloud.Instances[cp.ID] {
			n := &Node{Instance: &in}
			p.Nodes = append(p.Nodes, n)
			byID[in.ID] = n
		}
		s.Pools = append(s.Pools, p)
		byPool[cp.ID] = p
	}
	first := firstOf(nodes, byID, seen)
	for _, object := range nodes {
		id := ProviderID(object)
		n := byID[id]
		// A second Node with the same provider ID is a mistake of somebody's, or a
		// kubelet that says so of itself; it is never touched.
		if n == nil || id == "" || first[id] != object {
			n = &Node{}
			if p := byPool[cloudprovider.PoolID(object.Annotations[v1alpha1.AnnotationNodePoolID])]; p != nil && id != "" && byID[id] == nil && first[id] == object {
				p.Nodes = append(p.Nodes, n)
			} else {
				s.Unmanaged = append(s.Unmanaged, n)
			}
		}
		n.Object = object
		n.born, n.turned = seen.of(object)
		n.Pods = pods[object.Name]
		n.Mark, n.MarkErr = kube.MarkOf(object)
	}
	for _, p := range s.Pools {
		sort.SliceStable(p.Nodes, func(i, j int) bool { return p.Nodes[i].ID() < p.Nodes[j].ID() })
	}
}

// firstOf is which Node has each machine. Of two that name one it is the one whose name
// is the address under which the cloud made the machine, for that no other kubelet has;
// else the older, as it was seen to come: the API server dates Nodes by a clock that may
// be set, and then who comes later is the older by its word. A name and a provider ID are
// a kubelet's own words. Taken by name, an impostor that is empty would have been drained
// in place of the node whose pods run on the machine.
func firstOf(nodes []*corev1.Node, machines map[cloudprovider.InstanceID]*Node, seen *witness) map[cloudprovider.InstanceID]*corev1.Node {
	first := map[cloudprovider.InstanceID]*corev1.Node{}
	for _, n := range nodes {
		id := ProviderID(n)
		there := first[id]
		named := func(n *corev1.Node) bool {
			m := machines[id]
			return m != nil && m.Instance.Address != "" && m.Instance.Address == n.Name
		}
		if there == nil || named(n) || !named(there) && seen.before(n, there) {
			first[id] = n
		}
	}
	return first
}

// joinPools gives each pool its Pool object, and says which objects have none.
func (s *Snapshot) joinPools(objects []*v1alpha1.Pool, cloud cloudprovider.Cloud) {
	sort.SliceStable(objects, func(i, j int) bool { return claimsBefore(objects[i], objects[j]) })
	for _, object := range objects {
		p, orphan := s.find(object)
		switch {
		case orphan != nil && cloud.Err != nil:
			// An unanswered cloud has lost no pool.
			s.Orphans = append(s.Orphans, Orphan{Object: object, Reason: CloudUnavailable, Message: "the cloud has not answered: " + cloud.Err.Error()})
		case orphan != nil:
			s.Orphans = append(s.Orphans, *orphan)
		case p.Object != nil:
			s.Orphans = append(s.Orphans, Orphan{Object: object, Reason: NodePoolClaimedTwice, Message: fmt.Sprintf(
				"node pool %s is already named by Pool %s: delete one of the two", p.Cloud.ID, p.Object.Name)})
		default:
			p.Object, p.Name = object, object.Name
		}
	}
	s.unheard()
	sort.SliceStable(s.Pools, func(i, j int) bool { return s.Pools[i].Name < s.Pools[j].Name })
	sort.SliceStable(s.Orphans, func(i, j int) bool { return s.Orphans[i].Object.Name < s.Orphans[j].Object.Name })
}

// claimsBefore orders claims on one node pool; the first stands.
//
// A Pool that opts in to a verb goes before one that does not: what discovery
// made and nobody touched yields to the Pool that a user wrote under a name of
// his own. Then whoever holds the node pool keeps it, so that a later mistake
// changes nothing. Age decides between the rest: it alone would not do, since it
// is known to the second only.
func claimsBefore(a, b *v1alpha1.Pool) bool {
	if x, y := optsIn(a), optsIn(b); x != y {
		return x
	}
	if x, y := holds(a), holds(b); x != y {
		return x
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// optsIn is whether any verb may act on the Pool.
func optsIn(p *v1alpha1.Pool) bool {
	return p.Spec.Scale != nil || p.Spec.Cycle != nil || p.Spec.Repair != nil
}

// holds is whether the Pool was the one that stood when its status was written:
// that names the node pool, and is not of a claim that was refused.
func holds(p *v1alpha1.Pool) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	return p.Status.NodePoolID != "" && c != nil && (c.Status == metav1.ConditionTrue || c.Reason == string(CloudUnavailable))
}

// find resolves spec.nodePoolID, an OCID or a unique name.
func (s *Snapshot) find(object *v1alpha1.Pool) (*Pool, *Orphan) {
	want := object.Spec.NodePoolID
	var named []*Pool
	for _, p := range s.Pools {
		if string(p.Cloud.ID) == want {
			return p, nil
		}
		if p.Cloud.Name == want {
			named = append(named, p)
		}
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return nil, &Orphan{Object: object, Reason: NodePoolNotFound, Message: fmt.Sprintf("no node pool of this cluster has the OCID or name %q: it was deleted, or is misspelt", want)}
	}
	return nil, &Orphan{Object: object, Reason: NodePoolNameAmbiguous, Message: fmt.Sprintf("%d node pools are named %q: give the OCID instead", len(named), want)}
}

// sorted is a list of pointers into items by namespace and name.
func sorted[T any, P interface {
	*T
	client.Object
}](items []T) []P {
	out := make([]P, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	slices.SortFunc(out, func(a, b P) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	return out
}

// balancers are the Services that the world outside reaches by a load balancer.
func balancers(services []corev1.Service) []*corev1.Service {
	return slices.DeleteFunc(sorted(services), func(s *corev1.Service) bool { return s.Spec.Type != corev1.ServiceTypeLoadBalancer })
}

// inOrder sorts pods by namespace and name.
func inOrder(pods []*corev1.Pod) {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}
