package world

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Which devices a new node will have nobody says before it is there: its drivers
// publish them. A node of the same pool that stands is the best guess, so its
// slices are the template. What is its own is taken out of them:
//
//	slice of n1, pool "n1"   ─►  slice of nobody: whoever makes a node of it names
//	uuid GPU-4af1…           ─►  another uuid, so that no claim finds this very device
//	slices of many nodes     ─►  left out: they are there already, and grow with nothing

// joinSlices gives each pool its template slices.
func (s *Snapshot) joinSlices() {
	if len(s.Devices.Slices) == 0 {
		return
	}
	byNode := map[string][]*resourcev1.ResourceSlice{}
	for _, x := range LocalSlices(s.Devices.Slices) {
		byNode[*x.Spec.NodeName] = append(byNode[*x.Spec.NodeName], x)
	}
	for _, p := range s.Pools {
		p.Slices = TemplateSlices(p.Cloud, p.Nodes, byNode)
	}
}

// poolOfDevices tells pools of devices apart.
type poolOfDevices struct{ driver, name string }

// LocalSlices are those of device pools that belong to one node whole, in their
// newest generation: a pool over several nodes does not come with a new one.
func LocalSlices(all []*resourcev1.ResourceSlice) []*resourcev1.ResourceSlice {
	type seen struct {
		node       string
		generation int64
		wide       bool
	}
	pools := map[poolOfDevices]*seen{}
	for _, x := range all {
		key, node := poolOfDevices{x.Spec.Driver, x.Spec.Pool.Name}, ""
		if x.Spec.NodeName != nil {
			node = *x.Spec.NodeName
		}
		p := pools[key]
		if p == nil {
			p = &seen{node: node}
			pools[key] = p
		}
		p.generation = max(p.generation, x.Spec.Pool.Generation)
		p.wide = p.wide || node == "" || node != p.node
	}
	var out []*resourcev1.ResourceSlice
	for _, x := range all {
		if p := pools[poolOfDevices{x.Spec.Driver, x.Spec.Pool.Name}]; !p.wide && p.generation == x.Spec.Pool.Generation {
			out = append(out, x)
		}
	}
	return out
}

// TemplateSlices are those of the pool's best example, without what is its own:
// a Ready node like the pool's new ones, with no device that its driver warns of,
// the youngest first. local are slices of single nodes by node; see LocalSlices.
func TemplateSlices(p cloudprovider.NodePool, nodes []*Node, local map[string][]*resourcev1.ResourceSlice) []*resourcev1.ResourceSlice {
	var best *Node
	for _, n := range nodes {
		if n.Object == nil || !n.Ready() || !complete(local[n.Object.Name]) || otherShape(n.Object, p) {
			continue
		}
		if best == nil || exampleOrder(n, best, local) < 0 {
			best = n
		}
	}
	if best == nil {
		return nil
	}
	var out []*resourcev1.ResourceSlice
	for _, x := range local[best.Object.Name] {
		out = append(out, impersonal(x))
	}
	return out
}

func exampleOrder(a, b *Node, local map[string][]*resourcev1.ResourceSlice) int {
	return cmp.Or(
		cmp.Compare(tainted(local[a.Object.Name]), tainted(local[b.Object.Name])),
		b.Object.CreationTimestamp.Compare(a.Object.CreationTimestamp.Time),
		strings.Compare(a.Object.Name, b.Object.Name),
	)
}

// otherShape is whether the node is a machine of another shape than the pool now
// makes.
func otherShape(n *corev1.Node, p cloudprovider.NodePool) bool {
	have := n.Labels[corev1.LabelInstanceTypeStable]
	return have != "" && p.Shape != "" && have != p.Shape
}

// complete is whether all slices of each of the device pools are there.
func complete(list []*resourcev1.ResourceSlice) bool {
	count := map[poolOfDevices]int64{}
	for _, x := range list {
		count[poolOfDevices{x.Spec.Driver, x.Spec.Pool.Name}]++
	}
	for _, x := range list {
		if count[poolOfDevices{x.Spec.Driver, x.Spec.Pool.Name}] != x.Spec.Pool.ResourceSliceCount {
			return false
		}
	}
	return len(list) > 0
}

// tainted is how many devices somebody has warned of.
func tainted(list []*resourcev1.ResourceSlice) (n int) {
	for _, x := range list {
		for i := range x.Spec.Devices {
			if len(x.Spec.Devices[i].Taints) > 0 {
				n++
			}
		}
	}
	return n
}

// impersonal is the slice without the node that it is of.
func impersonal(x *resourcev1.ResourceSlice) *resourcev1.ResourceSlice {
	out := &resourcev1.ResourceSlice{Spec: *x.Spec.DeepCopy()}
	out.Name = strings.ReplaceAll(x.Name, *x.Spec.NodeName, "")
	if out.Spec.Pool.Name == *x.Spec.NodeName {
		out.Spec.Pool.Name = ""
	}
	out.Spec.NodeName = nil
	for i := range out.Spec.Devices {
		for name, v := range out.Spec.Devices[i].Attributes {
			if v.StringValue != nil && personal(string(name)) {
				other := "another " + *v.StringValue // what was equal is equal still
				out.Spec.Devices[i].Attributes[name] = resourcev1.DeviceAttribute{StringValue: &other}
			}
		}
	}
	return out
}

// personal is whether an attribute of this name tells one device from all others.
func personal(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"uuid", "serial"}, func(part string) bool { return strings.Contains(name, part) })
}
