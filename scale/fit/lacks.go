package fit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// Devised is whether devices are looked for when a pod of the class is placed.
func (cl *Class) Devised() bool { return cl.devised }

// OfDevices is whether it was for want of devices.
func (r Reason) OfDevices() bool { return r.Plugin == names.DynamicResources }

// Lacks says which devices the pod asks for that the node does not have: the
// scheduler's plugin says only that there are not enough. The node is asked for
// each request by itself, by the plugin too. "" when the plugin's own words say
// more, or the node has all of it but not at once.
func (c *Cluster) Lacks(pod *corev1.Pod, name string) string {
	n := c.nodes[name]
	if n == nil {
		return ""
	}
	d := c.desk(pod)
	if d.skip || d.rejected != nil {
		return ""
	}
	_, keys := c.devices.ledger.named(pod)
	for _, key := range keys {
		h := c.devices.ledger.claims[key]
		if h == nil || h.claim.Status.Allocation != nil {
			continue
		}
		for i := range h.claim.Spec.Devices.Requests {
			if why := c.lacks(pod, n, &h.claim.Spec.Devices.Requests[i]); why != "" {
				return why
			}
		}
	}
	for _, a := range c.Class(pod).asks {
		if n.delegated(a) {
			class := c.devices.backed.GetDeviceClass(c.names[a.resource]).Name
			exactly := resourcev1.ExactDeviceRequest{DeviceClassName: class, AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: a.amount}
			if why := c.lacks(pod, n, &resourcev1.DeviceRequest{Name: "it", Exactly: &exactly}); why != "" {
				return why
			}
		}
	}
	return ""
}

// lacks is Lacks for one request.
func (c *Cluster) lacks(pod *corev1.Pod, n *node, r *resourcev1.DeviceRequest) string {
	if r.Exactly == nil {
		if c.has(pod, n, *r) {
			return ""
		}
		return fmt.Sprintf("no device for any of the %d alternatives of request %s", len(r.FirstAvailable), r.Name)
	}
	if c.has(pod, n, *r) {
		return ""
	}
	one := *r.Exactly
	one.AllocationMode, one.Count = resourcev1.DeviceAllocationModeExactCount, 1
	switch {
	case r.Exactly.Count > 1 && c.has(pod, n, resourcev1.DeviceRequest{Name: r.Name, Exactly: &one}):
		return fmt.Sprintf("fewer than %d devices of class %s", r.Exactly.Count, one.DeviceClassName)
	case len(one.Selectors) > 0:
		if one.Selectors = nil; c.has(pod, n, resourcev1.DeviceRequest{Name: r.Name, Exactly: &one}) {
			return "no device of class " + one.DeviceClassName + " that the claim's selectors choose"
		}
	}
	return "no device of class " + one.DeviceClassName
}

// has is whether the node has what one request asks for.
func (c *Cluster) has(pod *corev1.Pod, n *node, r resourcev1.DeviceRequest) bool {
	probe := &corev1.Pod{ObjectMeta: pod.ObjectMeta}
	name := "<probe>"
	probe.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "it", ResourceClaimName: &name}}
	claim := &resourcev1.ResourceClaim{Spec: resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{r}}}}
	claim.Namespace, claim.Name, claim.UID = pod.Namespace, name, "probe"
	key := pod.Namespace + "/" + name
	c.devices.ledger.write(key, &held{claim: claim})
	defer c.devices.ledger.write(key, nil)
	_, _, ok := (&desk{pod: probe}).fits(c, n)
	return ok
}

// DeviceUse is the share of a node's own devices that are given away, of the pool
// of them that is used most; 0 where it has none.
func (c *Cluster) DeviceUse(name string) (most float64) {
	n := c.nodes[name]
	if n == nil || len(c.slicesOf(n)) == 0 {
		return 0
	}
	c.devices.shown = c.slicesOf(n)
	given, all := map[devicePool]int{}, map[devicePool]int{}
	for _, x := range c.devices.shown {
		all[devicePool{x.Spec.Driver, x.Spec.Pool.Name}] += len(x.Spec.Devices)
	}
	c.devices.eachGiven(func(r *resourcev1.DeviceRequestAllocationResult) { given[devicePool{r.Driver, r.Pool}]++ })
	for at, total := range all {
		if total > 0 {
			most = max(most, float64(given[at])/float64(total))
		}
	}
	return most
}
