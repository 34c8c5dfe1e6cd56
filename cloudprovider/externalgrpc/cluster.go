package externalgrpc

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
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
	// Events gets an event of each veto; nil drops them.
	Events events.EventRecorder

	mu     sync.Mutex // guards static
	static map[types.UID]corev1.ResourceList
}

// clusterLook is what the API server shows.
type clusterLook struct {
	objects     map[string]*poolObject // by spec.nodePoolID
	providerIDs []string
	vetoes      map[cloudprovider.InstanceID]veto
	nodes       map[cloudprovider.PoolID][]*world.Node // until learn has seen them
	lessons     map[cloudprovider.PoolID]lesson
	gpuTypes    []string
}

// poolObject is what a Pool object says to the plugin.
type poolObject struct {
	bounds *Bounds // nil without spec.scale
	down   *v1alpha1.ScaleDownSpec
	run    *run
	// learned are the daemon's lessons.
	learned []v1alpha1.LearnedTemplate
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
	l := clusterLook{objects: map[string]*poolObject{}, vetoes: map[cloudprovider.InstanceID]veto{},
		nodes: map[cloudprovider.PoolID][]*world.Node{}, lessons: map[cloudprovider.PoolID]lesson{}}
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
	for id, nodes := range l.nodes {
		newest := newestReady(nodes)
		if newest == nil {
			continue
		}
		static, err := c.staticPods(ctx, newest)
		if err != nil {
			return clusterLook{}, err
		}
		l.lessons[id] = lesson{static: static}
	}
	return l, nil
}

func newPoolObject(p *v1alpha1.Pool) *poolObject {
	o := &poolObject{learned: p.Status.Learned}
	if s := p.Spec.Scale; s != nil {
		o.bounds, o.down = &Bounds{int(s.MinSize), int(s.MaxSize)}, s.Down
	}
	if c := p.Status.Cycle; c != nil {
		o.run = &run{desired: int(c.Desired), object: p}
	}
	return o
}

func (l *clusterLook) addNodes(nodes []corev1.Node, cloud cloudprovider.Cloud, gpuLabel string) {
	machines := map[cloudprovider.InstanceID]*cloudprovider.Instance{}
	for _, list := range cloud.Instances {
		for i := range list {
			machines[list[i].ID] = &list[i]
		}
	}
	for i := range nodes {
		n := &nodes[i]
		id := instanceID(n.Spec.ProviderID)
		in := machines[id]
		if in == nil || id == "" {
			continue
		}
		l.providerIDs = append(l.providerIDs, n.Spec.ProviderID)
		if gpu := n.Labels[gpuLabel]; gpuLabel != "" && gpu != "" && !slices.Contains(l.gpuTypes, gpu) {
			l.gpuTypes = append(l.gpuTypes, gpu)
		}
		if why := vetoOf(n); !why.none() {
			l.vetoes[id] = why
		} else {
			l.nodes[in.Pool] = append(l.nodes[in.Pool], &world.Node{Instance: in, Object: n})
		}
	}
	slices.Sort(l.gpuTypes)
}

// newestReady is the node whose static pods stand for those of the next one.
func newestReady(nodes []*world.Node) (newest *corev1.Node) {
	for _, n := range nodes {
		if !n.Ready() || n.Object.DeletionTimestamp != nil {
			continue
		}
		if newest == nil || newest.CreationTimestamp.Before(&n.Object.CreationTimestamp) ||
			newest.CreationTimestamp.Equal(&n.Object.CreationTimestamp) && n.Object.Name < newest.Name {
			newest = n.Object
		}
	}
	return newest
}

// learn takes in what the nodes show of their make, and keeps what was known of
// pools that have no node to learn from now. The daemon's lessons, which outlast
// restarts, count before the plugin's own.
func (l clusterLook) learn(old clusterLook, cloud cloudprovider.Cloud, now time.Time) clusterLook {
	names := namesOf(cloud.Pools)
	for _, p := range cloud.Pools {
		known, seen := old.lessons[p.ID], l.lessons[p.ID]
		if o := l.objectOf(p, names[p.Name] == 1); o != nil && len(o.learned) > 0 {
			known.templates = o.learned
		}
		seen.templates = world.Learn(p, l.nodes[p.ID], known.templates, now)
		if seen.static == nil {
			seen.static = known.static
		}
		l.lessons[p.ID] = seen
	}
	l.nodes = nil // lessons are kept, Nodes are not
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
