package externalgrpc

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// Cluster is the plugin's way to the API server.
type Cluster struct {
	// Reader lists Nodes and Pools each time the plugin looks: a cache.
	Reader client.Reader
	// Client reads the pods of single nodes and writes the status of Pools, live.
	// nil does without both.
	Client client.Client
	// GPULabel is [Options.GPULabel]; its values are the types of GPU.
	GPULabel string

	mu     sync.Mutex // guards static
	static map[types.UID]corev1.ResourceList
}

// clusterLook is what the API server shows.
type clusterLook struct {
	objects     map[string]*poolObject // by spec.nodePoolID
	providerIDs []string
	marks       map[cloudprovider.InstanceID]string // why a node is not the client's to delete
	learned     map[cloudprovider.PoolID]learned
	gpuTypes    []string
}

// poolObject is what a Pool object says to the plugin.
type poolObject struct {
	bounds *Bounds // nil without spec.scale
	down   *v1alpha1.ScaleDownSpec
	run    *run
}

// run is a turn-over under way.
type run struct {
	desired int // the pool's size without surge
	object  *v1alpha1.Pool
}

// objectOf finds the object of a pool, which names it by OCID, or by name if
// that is the only one.
func (l clusterLook) objectOf(p cloudprovider.NodePool, unique bool) *poolObject {
	if o := l.objects[string(p.ID)]; o != nil || !unique {
		return o
	}
	return l.objects[p.Name]
}

// look reads the cluster. A nil Cluster shows nothing, and that is no error.
func (c *Cluster) look(ctx context.Context, cloud cloudprovider.Cloud) (clusterLook, error) {
	l := clusterLook{objects: map[string]*poolObject{}, marks: map[cloudprovider.InstanceID]string{}, learned: map[cloudprovider.PoolID]learned{}}
	if c == nil {
		return l, nil
	}
	var pools v1alpha1.PoolList
	var nodes corev1.NodeList
	for _, list := range []client.ObjectList{&pools, &nodes} {
		if err := c.Reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return clusterLook{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	// The oldest claim on a node pool stands, as everywhere in tidemill.
	slices.SortStableFunc(pools.Items, func(a, b v1alpha1.Pool) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	for i := range pools.Items {
		if id := pools.Items[i].Spec.NodePoolID; l.objects[id] == nil {
			l.objects[id] = newPoolObject(&pools.Items[i])
		}
	}
	l.addNodes(nodes.Items, cloud, c.GPULabel)
	for id, known := range l.learned {
		static, err := c.staticPods(ctx, known.node)
		if err != nil {
			return clusterLook{}, err
		}
		known.static = static
		l.learned[id] = known
	}
	return l, nil
}

func newPoolObject(p *v1alpha1.Pool) *poolObject {
	o := &poolObject{}
	if s := p.Spec.Scale; s != nil {
		o.bounds, o.down = &Bounds{int(s.MinSize), int(s.MaxSize)}, s.Down
	}
	if c := p.Status.Cycle; c != nil {
		o.run = &run{desired: int(c.Desired), object: p}
	}
	return o
}

func (l *clusterLook) addNodes(nodes []corev1.Node, cloud cloudprovider.Cloud, gpuLabel string) {
	poolOf := map[cloudprovider.InstanceID]cloudprovider.NodePool{}
	for _, p := range cloud.Pools {
		for _, in := range cloud.Instances[p.ID] {
			poolOf[in.ID] = p
		}
	}
	for i := range nodes {
		n := &nodes[i]
		id := instanceID(n.Spec.ProviderID)
		pool, ours := poolOf[id]
		if !ours || id == "" {
			continue
		}
		l.providerIDs = append(l.providerIDs, n.Spec.ProviderID)
		if gpu := n.Labels[gpuLabel]; gpuLabel != "" && gpu != "" && !slices.Contains(l.gpuTypes, gpu) {
			l.gpuTypes = append(l.gpuTypes, gpu)
		}
		if why := vetoOf(n); why != "" {
			l.marks[id] = why
		} else {
			l.learn(pool, n)
		}
	}
	slices.Sort(l.gpuTypes)
}

// vetoOf is why a node is not the client's to delete: tidemill is at work on
// it, or may be.
func vetoOf(n *corev1.Node) string {
	m, err := kube.MarkOf(n)
	switch {
	case err != nil:
		return fmt.Sprintf("node %s carries a mark that cannot be read: %v", n.Name, err)
	case m != nil:
		return fmt.Sprintf("node %s is being disrupted by tidemill since %s: %s, %s", n.Name, m.Since.UTC().Format("15:04:05"), m.Cause, m.Reason)
	case n.Annotations[v1alpha1.AnnotationCycle] != "":
		return fmt.Sprintf("node %s will be replaced by tidemill: %s=%s", n.Name, v1alpha1.AnnotationCycle, n.Annotations[v1alpha1.AnnotationCycle])
	}
	return ""
}

// remember keeps what was learned of pools that have no node to learn from now.
func (l clusterLook) remember(old clusterLook) clusterLook {
	for id, known := range old.learned {
		if _, again := l.learned[id]; !again {
			l.learned[id] = known
		}
	}
	return l
}

// staticPods is what the pods of a node ask for that no API object made: they
// will be on a new node too, and the client does not know of them. A node is
// asked once in its life.
func (c *Cluster) staticPods(ctx context.Context, n *corev1.Node) (corev1.ResourceList, error) {
	c.mu.Lock()
	known, ok := c.static[n.UID]
	c.mu.Unlock()
	if ok || c.Client == nil {
		return known, nil
	}
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.MatchingFields{"spec.nodeName": n.Name}); err != nil {
		return nil, fmt.Errorf("list pods of node %s: %w", n.Name, err)
	}
	sum := corev1.ResourceList{}
	for i := range pods.Items {
		if pods.Items[i].Annotations[corev1.MirrorPodAnnotationKey] != "" {
			add(sum, requests(&pods.Items[i]))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.static == nil || len(c.static) > 1000 { // nodes come and go; asking again is cheap
		c.static = map[types.UID]corev1.ResourceList{}
	}
	c.static[n.UID] = sum
	return sum, nil
}

// raise lets the run under way know that its pool is to be larger by delta, so
// that it does not take the client's machines for its own surge.
func (c *Cluster) raise(ctx context.Context, r *run, delta int) error {
	if c == nil || c.Client == nil {
		return nil
	}
	// The run writes its own record often; a write that crosses it is made again.
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var p v1alpha1.Pool
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(r.object), &p); err != nil {
			return fmt.Errorf("read pool %s: %w", r.object.Name, err)
		}
		if p.Status.Cycle == nil {
			return nil // the run has ended meanwhile
		}
		return kube.RaiseDesired(ctx, c.Client, &p, int(p.Status.Cycle.Desired)+delta)
	})
}
