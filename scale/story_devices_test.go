package scale

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// tellDevices are lines about devices: "devices away", or "devices CLASS" for a
// class whose driver is CLASS.example.com.
func tellDevices(w *worldtest.World, word string) {
	if word == "away" {
		w.Objects.DevicesAway = "the cluster does not serve resource.k8s.io/v1"
		return
	}
	w.Objects.DeviceClasses = append(w.Objects.DeviceClasses, resourcev1.DeviceClass{
		ObjectMeta: metav1.ObjectMeta{Name: word},
		Spec: resourcev1.DeviceClassSpec{Selectors: []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{
			Expression: fmt.Sprintf("device.driver == %q", word+".example.com"),
		}}}},
	})
}

// publish has the driver of class gpu show n devices of a node.
func publish(w *worldtest.World, node string, n int) {
	if n == 0 {
		return
	}
	s := resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: node + "-gpu"}, Spec: resourcev1.ResourceSliceSpec{
		Driver: "gpu.example.com", NodeName: &node, Pool: resourcev1.ResourcePool{Name: node, Generation: 1, ResourceSliceCount: 1},
	}}
	for i := range n {
		s.Spec.Devices = append(s.Spec.Devices, resourcev1.Device{Name: "gpu-" + strconv.Itoa(i)})
	}
	w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, s)
}

// devices are the words devices=CLASS:N, a claim of its own for each pod of the
// line, and claim=NAME, one for all that name it, of a GPU; holds=DEVICE says what
// a pod that runs has been given.
func devices(w *worldtest.World, name string, p words) func(*corev1.Pod) {
	own, shared, holds := p.take("devices", ""), p.take("claim", ""), p.take("holds", "")
	if own != "" {
		w.Objects.ResourceClaimTemplates = append(w.Objects.ResourceClaimTemplates, resourcev1.ResourceClaimTemplate{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: resourcev1.ResourceClaimTemplateSpec{Spec: claimFor(own)},
		})
	}
	if shared != "" && claimNamed(w, shared) == nil {
		w.Objects.ResourceClaims = append(w.Objects.ResourceClaims, resourcev1.ResourceClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: shared, UID: types.UID(shared)}, Spec: claimFor("gpu:1"),
		})
	}
	return func(o *corev1.Pod) {
		if shared != "" {
			o.Spec.ResourceClaims = append(o.Spec.ResourceClaims, corev1.PodResourceClaim{Name: "shared", ResourceClaimName: &shared})
		}
		if own != "" {
			o.Spec.ResourceClaims = append(o.Spec.ResourceClaims, corev1.PodResourceClaim{Name: "own", ResourceClaimTemplateName: &name})
		}
		if holds != "" && o.Spec.NodeName != "" {
			give(w, o, holds)
		}
	}
}

func claimFor(text string) resourcev1.ResourceClaimSpec {
	var class string
	var n int64 = 1
	if _, err := fmt.Sscanf(text, "gpu:%d", &n); err == nil {
		class = "gpu"
	} else {
		class = text
	}
	return resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{{
		Name: "it", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: class, AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: n},
	}}}}
}

func claimNamed(w *worldtest.World, name string) *resourcev1.ResourceClaim {
	for i := range w.Objects.ResourceClaims {
		if w.Objects.ResourceClaims[i].Name == name {
			return &w.Objects.ResourceClaims[i]
		}
	}
	return nil
}

// give writes down that the pod's claim has the device of the pod's node.
func give(w *worldtest.World, o *corev1.Pod, device string) {
	name := o.Name + "-own-1"
	claim := resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Spec: claimFor("gpu:1")}
	claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(o, corev1.SchemeGroupVersion.WithKind("Pod"))}
	claim.Status.ReservedFor = []resourcev1.ResourceClaimConsumerReference{{Resource: "pods", Name: o.Name, UID: o.UID}}
	claim.Status.Allocation = &resourcev1.AllocationResult{
		Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{
			{Request: "it", Driver: "gpu.example.com", Pool: o.Spec.NodeName, Device: device},
		}},
		NodeSelector: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{o.Spec.NodeName}},
		}}}},
	}
	w.Objects.ResourceClaims = append(w.Objects.ResourceClaims, claim)
	o.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "own", ResourceClaimName: &name}}
}

// throngDevices has the nodes of a pool show some devices, all of them alike.
func throngDevices(rt *rapid.T, w *worldtest.World, pool string) {
	if len(w.Objects.DeviceClasses) == 0 {
		tellDevices(w, "gpu")
		w.Objects.DeviceClasses[0].Spec.ExtendedResourceName = new("example.com/gpu")
	}
	n := rapid.IntRange(0, 3).Draw(rt, "devices")
	for i := range w.Objects.Nodes {
		if node := &w.Objects.Nodes[i]; len(node.Name) > len(pool) && node.Name[:len(pool)] == pool {
			publish(w, node.Name, n)
		}
	}
}

// throngClaims has one shape in three ask for devices.
func throngClaims(rt *rapid.T, w *worldtest.World, i int, opt func(*corev1.Pod)) func(*corev1.Pod) {
	var use func(*corev1.Pod)
	switch rapid.IntRange(0, 11).Draw(rt, "claims") {
	case 0:
		use = devices(w, fmt.Sprint("own", i), words{"devices": "gpu:1"})
	case 1:
		use = devices(w, fmt.Sprint("two", i), words{"devices": "gpu:2"})
	case 2:
		use = devices(w, "", words{"claim": "team"})
	case 3:
		use = worldtest.Requests("example.com/gpu", "1")
	default:
		return opt
	}
	return func(p *corev1.Pod) { opt(p); use(p) }
}
