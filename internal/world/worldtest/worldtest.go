// Package worldtest builds small worlds for the tests of the verbs.
//
//	w := worldtest.New()
//	w.AddPool("workers", "4", "16Gi", worldtest.Scale(1, 5))
//	w.AddNode("workers", "n1")
//	w.AddPod("web", "500m", "1Gi", worldtest.On("n1"))
//	s := w.Snapshot()
//
// A Snapshot comes from the real world.Join, so that a test sees nodes, stages
// and pools as the daemon does. Each Add returns what it added; a test that
// wants it otherwise changes it there and then: the next Add may move it.
package worldtest

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Now is the time of every world that does not say otherwise.
var Now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// World is a world under construction.
type World struct {
	Objects world.Objects
	Cloud   cloudprovider.Cloud
	Now     time.Time
}

// New is a world without anything in it.
func New() *World {
	return &World{Now: Now, Cloud: cloudprovider.Cloud{
		Observed: Now, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{},
	}}
}

// Snapshot joins what was added.
func (w *World) Snapshot() *world.Snapshot { return world.Join(w.Objects, w.Cloud, w.Now) }

// AddPool adds a node pool with one zone, AD-1, and size 0, and its Pool object
// of the same name; nodes have cpu, memory and room for 110 pods.
func (w *World) AddPool(name, cpu, memory string, opts ...func(*v1alpha1.Pool)) *cloudprovider.NodePool {
	id := PoolID(name)
	object := v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}, Spec: v1alpha1.PoolSpec{NodePoolID: string(id)}}
	for _, opt := range opts {
		opt(&object)
	}
	w.Objects.Pools = append(w.Objects.Pools, object)
	w.Cloud.Pools = append(w.Cloud.Pools, cloudprovider.NodePool{
		ID: id, Name: name, Placements: []cloudprovider.Placement{Placement("AD-1", cpu, memory)},
		Release: cloudprovider.Release{Kubernetes: "v1.36.3"}, Health: cloudprovider.Health{Observed: w.Now},
	})
	return &w.Cloud.Pools[len(w.Cloud.Pools)-1]
}

// Placement is a place in a zone whose nodes have cpu and memory.
func Placement(zone cloudprovider.Zone, cpu, memory string) cloudprovider.Placement {
	n := corev1.Node{}
	n.Labels = map[string]string{corev1.LabelTopologyZone: string(zone), corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse("110"),
	}
	n.Status.Capacity = n.Status.Allocatable.DeepCopy()
	return cloudprovider.Placement{Zone: zone, Template: n}
}

// PoolID is the node pool's ID of a pool added by name.
func PoolID(name string) cloudprovider.PoolID {
	return cloudprovider.PoolID("ocid1.nodepool.oc1..aaaa" + name)
}

// InstanceID is the instance's ID of a node added by name.
func InstanceID(name string) cloudprovider.InstanceID {
	return cloudprovider.InstanceID("ocid1.instance.oc1..aaaa" + name)
}

// AddInstance adds a machine without a Node and raises the pool's size by one.
// It goes to the zones of the pool in turn and is an hour old.
func (w *World) AddInstance(pool, name string, state cloudprovider.State) *cloudprovider.Instance {
	p := w.pool(pool)
	list := w.Cloud.Instances[p.ID]
	w.Cloud.Instances[p.ID] = append(list, cloudprovider.Instance{
		ID: InstanceID(name), Pool: p.ID, Name: name, Zone: p.Placements[len(list)%len(p.Placements)].Zone,
		State: state, Release: p.Release, Created: w.Now.Add(-time.Hour),
	})
	p.Size++
	return &w.Cloud.Instances[p.ID][len(list)]
}

// AddNode adds a running machine and its Node: Ready, passed, an hour old.
func (w *World) AddNode(pool, name string, opts ...func(*corev1.Node)) *corev1.Node {
	in := w.AddInstance(pool, name, cloudprovider.Running)
	var n corev1.Node
	for _, pl := range w.pool(pool).Placements {
		if pl.Zone == in.Zone {
			n = *pl.Template.DeepCopy()
		}
	}
	n.Name, n.UID = name, types.UID("uid-"+name)
	n.CreationTimestamp = metav1.NewTime(in.Created)
	n.Spec.ProviderID = string(in.ID)
	n.Labels[corev1.LabelHostname] = name
	n.Annotations = map[string]string{v1alpha1.AnnotationNodePoolID: string(w.pool(pool).ID)}
	n.Status.NodeInfo.KubeletVersion = in.Release.Kubernetes
	n.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue},
		{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse},
	}
	for _, opt := range opts {
		opt(&n)
	}
	w.Objects.Nodes = append(w.Objects.Nodes, n)
	return &w.Objects.Nodes[len(w.Objects.Nodes)-1]
}

func (w *World) pool(name string) *cloudprovider.NodePool {
	for i := range w.Cloud.Pools {
		if w.Cloud.Pools[i].Name == name {
			return &w.Cloud.Pools[i]
		}
	}
	panic(fmt.Sprintf("worldtest: no pool %q", name))
}

// AddPod adds a pod of namespace default that asks for cpu and memory; it has
// no node unless [On] gives it one, and no controller unless [OwnedBy] does.
func (w *World) AddPod(name, cpu, memory string, opts ...func(*corev1.Pod)) *corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: name, UID: types.UID("uid-default-" + name), CreationTimestamp: metav1.NewTime(w.Now.Add(-time.Minute)),
	}}
	p.Spec.SchedulerName = corev1.DefaultSchedulerName
	p.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}}}
	p.Status.Phase = corev1.PodPending
	for _, opt := range opts {
		opt(&p)
	}
	w.Objects.Pods = append(w.Objects.Pods, p)
	return &w.Objects.Pods[len(w.Objects.Pods)-1]
}
