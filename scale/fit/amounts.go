package fit

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// amounts are quantities by the Cluster's numbering of resources: millicores,
// bytes, bytes of ephemeral storage, then extended resources as they were met.
// What is past the end is none.
type amounts []int64

func (a amounts) of(i int) int64 {
	if i < len(a) {
		return a[i]
	}
	return 0
}

// need is an amount of one resource, more than none.
type need struct {
	resource int
	amount   int64
	backed   bool // on a node that does not count it itself, devices stand behind it
}

func (a *amounts) add(needs []need, times int64) {
	for _, n := range needs {
		for len(*a) <= n.resource {
			*a = append(*a, 0)
		}
		(*a)[n.resource] += times * n.amount
	}
}

// number is a resource's place in amounts.
func (c *Cluster) number(name corev1.ResourceName) int {
	i, ok := c.resources[name]
	if !ok {
		i = len(c.names)
		c.resources[name] = i
		c.names = append(c.names, name)
	}
	return i
}

func (c *Cluster) amounts(r fwk.Resource) amounts {
	a := amounts{r.GetMilliCPU(), r.GetMemory(), r.GetEphemeralStorage()}
	scalars := r.GetScalarResources()
	for _, name := range slices.Sorted(maps.Keys(scalars)) {
		a.add([]need{{resource: c.number(name), amount: scalars[name]}}, 1)
	}
	return a
}

func (c *Cluster) needs(r fwk.Resource) []need {
	var out []need
	for i, n := range c.amounts(r) {
		if n != 0 {
			out = append(out, need{resource: i, amount: n})
		}
	}
	return out
}

// asks is what the scheduler wants to be free for a pod, takes what it counts
// once the pod is there. They differ while a pod is being resized in place.
func (c *Cluster) asks(pod *corev1.Pod) []need {
	r := &framework.Resource{}
	r.SetMaxResource(resource.PodRequests(pod, resource.PodResourcesOptions{SkipPodLevelResources: !c.asked.podLevel}))
	var out []need
	for _, n := range c.needs(r) {
		if n.amount > 0 || n.resource >= firstExtended {
			n.backed = n.amount > 0 && c.asked.extended && c.devices.behind(c.names[n.resource])
			out = append(out, n)
		}
	}
	return out
}

// delegated is whether the node leaves it to devices to have so much.
func (n *node) delegated(a need) bool { return a.backed && n.have.of(a.resource) == 0 }

const firstExtended = 3

func (c *Cluster) takes(pod *corev1.Pod) []need {
	pi, _ := framework.NewPodInfo(pod) // what does not parse is not counted
	r := pi.CalculateResource()
	return c.needs(r.Resource)
}

// times is how many pods the node has room for, by number and resources, but no
// more than limit.
func (n *node) times(asks []need, limit int) int {
	k := min(n.most-len(n.pods), limit)
	for _, a := range asks {
		if n.delegated(a) {
			continue
		}
		free := n.have.of(a.resource) - n.used.of(a.resource)
		if free < a.amount {
			return 0
		}
		if a.amount > 0 && k > 1 && free/a.amount < int64(k) {
			k = int(free / a.amount)
		}
	}
	return max(k, 0)
}

// short says what the node is short of, in the scheduler's words.
func (c *Cluster) short(n *node, asks []need) string {
	why := ""
	say := func(s string) {
		if why != "" {
			why += ", "
		}
		why += s
	}
	if len(n.pods)+1 > n.most {
		say("Too many pods")
	}
	for _, a := range asks {
		if n.delegated(a) {
			continue
		}
		if n.have.of(a.resource)-n.used.of(a.resource) < a.amount {
			say("Insufficient " + string(c.names[a.resource]))
		}
	}
	return why
}
