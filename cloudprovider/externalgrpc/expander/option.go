package expander

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Option is a group that could grow, by so many nodes, for some pods.
type Option struct {
	ID    cloudprovider.PoolID
	Name  string // the pool's, "" if it is not known
	Nodes int
	Pods  int
	// Need is what the pods ask for together, Room what one node gives.
	Need, Room Room
	// Price is of one node in US dollars an hour, 0 if it is not known.
	Price float64
	// Crowd is how many machines the zone has where the next node will be, among
	// the groups that could grow; -1 if the zone is not known.
	Crowd int
	// Refused is the share of the pool's placements in which machines of its
	// shape were refused a short while ago, 0 to 1.
	Refused float64
}

// Room is an amount of what nodes have and pods need.
type Room struct{ Cores, GiB, GPUs float64 }

// What a GiB of memory is worth beside it: the ratios of Oracle's list prices of
// flexible shapes, and of an A10 for the GPU. A pod that asks for nothing counts
// a little.
const (
	coreWorth = 0.0125 / 0.0015
	gpuWorth  = 1000
	podWorth  = 0.1
)

// worth is one number for an amount, in GiB of memory.
func (r Room) worth() float64 { return r.Cores*coreWorth + r.GiB + r.GPUs*gpuWorth }

func (r Room) plus(o Room) Room { return Room{r.Cores + o.Cores, r.GiB + o.GiB, r.GPUs + o.GPUs} }

var accelerators = []corev1.ResourceName{"nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "gpu.intel.com/xe"}

func roomOf(list corev1.ResourceList) Room {
	r := Room{Cores: list.Cpu().AsApproximateFloat64(), GiB: list.Memory().AsApproximateFloat64() / (1 << 30)}
	for _, name := range accelerators {
		q := list[name]
		r.GPUs += q.AsApproximateFloat64()
	}
	return r
}

// needOf is the sum of a pod's containers, or the largest of its init containers.
func needOf(p *corev1.Pod) Room {
	need := roomOf(p.Spec.Overhead)
	for _, c := range p.Spec.Containers {
		need = need.plus(roomOf(c.Resources.Requests))
	}
	for _, c := range p.Spec.InitContainers {
		r := roomOf(c.Resources.Requests)
		need = Room{max(need.Cores, r.Cores), max(need.GiB, r.GiB), max(need.GPUs, r.GPUs)}
	}
	return need
}

// reader takes requests of clients of any age apart. Many options are for the
// same pods, each of which is decoded once.
type reader struct{ known map[string]Room }

func (d *reader) options(r *wire.BestOptionsRequest) ([]Option, error) {
	d.known = map[string]Room{}
	var list []Option
	for i, o := range r.GetOptions() {
		if o.GetNodeGroupId() == "" || o.GetNodeCount() < 1 {
			return nil, fmt.Errorf("read option %d of %d: want a group and a number of nodes, not %q and %d", i+1, len(r.GetOptions()), o.GetNodeGroupId(), o.GetNodeCount())
		}
		option := Option{ID: cloudprovider.PoolID(o.GetNodeGroupId()), Nodes: int(o.GetNodeCount()), Crowd: -1}
		pods := o.GetPods()
		if len(pods) == 0 {
			pods = o.GetLegacyPods()
		}
		option.Pods = len(pods)
		for _, data := range pods {
			need, err := d.pod(data)
			if err != nil {
				return nil, fmt.Errorf("read a pod of group %s: %w", option.ID, err)
			}
			option.Need = option.Need.plus(need)
		}
		node, ok := r.GetNodes()[o.GetNodeGroupId()]
		if !ok {
			node = r.GetLegacyNodes()[o.GetNodeGroupId()]
		}
		var n corev1.Node
		if err := n.Unmarshal(node); err != nil {
			return nil, fmt.Errorf("read the node of group %s: %w", option.ID, err)
		}
		option.Room = roomOf(n.Status.Allocatable)
		list = append(list, option)
	}
	return list, nil
}

func (d *reader) pod(data []byte) (Room, error) {
	if need, ok := d.known[string(data)]; ok {
		return need, nil
	}
	var p corev1.Pod
	if err := p.Unmarshal(data); err != nil {
		return Room{}, err
	}
	need := needOf(&p)
	d.known[string(data)] = need
	return need, nil
}
