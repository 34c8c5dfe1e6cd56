package fit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// device is one of a kind, big or small, at a place of the board.
func device(name, kind string, board int64) resourcev1.Device {
	return resourcev1.Device{Name: name, Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
		"kind": {StringValue: &kind}, "board": {IntValue: &board}, "uuid": {StringValue: new("uuid-of-" + name)},
	}}
}

// slice is what the driver says of a node.
func slice(driver, node string, devices ...resourcev1.Device) resourcev1.ResourceSlice {
	return resourcev1.ResourceSlice{
		ObjectMeta: metav1.ObjectMeta{Name: node + "-" + driver},
		Spec: resourcev1.ResourceSliceSpec{
			Driver: driver, NodeName: &node, Devices: devices, Pool: resourcev1.ResourcePool{Name: node, Generation: 1, ResourceSliceCount: 1},
		},
	}
}

// gpus are slices of n small GPUs, two to a board.
func gpus(node string, n int) resourcev1.ResourceSlice {
	var list []resourcev1.Device
	for i := range n {
		list = append(list, device(fmt.Sprintf("gpu-%d", i), "small", int64(i/2)))
	}
	return slice("gpu.example.com", node, list...)
}

// deviceClasses are "gpu", for which the extended resource example.com/gpu
// stands, "big", of GPUs too, and "wire".
func deviceClasses() []resourcev1.DeviceClass {
	class := func(name, cel string) resourcev1.DeviceClass {
		return resourcev1.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: resourcev1.DeviceClassSpec{
			Selectors: []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: cel}}},
		}}
	}
	list := []resourcev1.DeviceClass{
		class("gpu", `device.driver == "gpu.example.com"`),
		class("big", `device.driver == "gpu.example.com" && device.attributes["gpu.example.com"].kind == "big"`),
		class("wire", `device.driver == "wire.example.com"`),
	}
	list[0].Spec.ExtendedResourceName = new("example.com/gpu")
	return list
}

// wants is a claim for so many devices of a class.
func wants(class string, n int64) resourcev1.ResourceClaimSpec {
	return resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{{
		Name: "it", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: class, AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: n},
	}}}}
}

// ofTemplate adds a template and is a pod that uses it; its claim is yet to be
// made.
func ofTemplate(w *worldtest.World, name string, spec resourcev1.ResourceClaimSpec) podOpt {
	w.Objects.ResourceClaimTemplates = append(w.Objects.ResourceClaimTemplates, resourcev1.ResourceClaimTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: resourcev1.ResourceClaimTemplateSpec{Spec: spec},
	})
	return func(p *corev1.Pod) {
		p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, corev1.PodResourceClaim{Name: "own", ResourceClaimTemplateName: new(name)})
	}
}

// ofClaim is a pod that uses the claim.
func ofClaim(name string) podOpt {
	return func(p *corev1.Pod) {
		p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, corev1.PodResourceClaim{Name: "of-" + name, ResourceClaimName: new(name)})
	}
}

func namedClaim(name string, spec resourcev1.ResourceClaimSpec) resourcev1.ResourceClaim {
	return resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("claim-" + name)}, Spec: spec}
}

// given is the claim with a device of a node.
func given(c resourcev1.ResourceClaim, node, name string, to ...types.UID) resourcev1.ResourceClaim {
	c.Status.Allocation = &resourcev1.AllocationResult{
		Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{
			{Request: "it", Driver: "gpu.example.com", Pool: node, Device: name},
		}},
		NodeSelector: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node}},
		}}}},
	}
	for _, uid := range to {
		c.Status.ReservedFor = append(c.Status.ReservedFor, resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: string(uid), UID: uid})
	}
	return c
}

// twoNodes is a world of nodes n1 with two GPUs and n2 without.
func twoNodes() *worldtest.World {
	w := worldtest.New()
	w.AddPool("workers", "8", "32Gi")
	w.AddNode("workers", "n1")
	w.AddNode("workers", "n2")
	w.Objects.DeviceClasses = deviceClasses()
	w.Objects.ResourceSlices = []resourcev1.ResourceSlice{gpus("n1", 2)}
	return w
}

// where asks where a pod fits.
func where(t *testing.T, w *worldtest.World, pod *corev1.Pod) string {
	t.Helper()
	c, out := build(t, w), ""
	for _, name := range []string{"n1", "n2"} {
		if _, ok := c.Fits(pod, name); ok {
			out += name + " "
		}
	}
	return strings.TrimSpace(out)
}

func TestDevices(t *testing.T) {
	one := wants("gpu", 1)
	tests := []struct {
		name string
		pod  func(*worldtest.World) podOpt
		want string
	}{
		{"one of two", func(w *worldtest.World) podOpt { return ofTemplate(w, "one", one) }, "n1"},
		{"more than there are", func(w *worldtest.World) podOpt { return ofTemplate(w, "three", wants("gpu", 3)) }, ""},
		{"a class without devices", func(w *worldtest.World) podOpt { return ofTemplate(w, "big", wants("big", 1)) }, ""},
		{"a class that is not there", func(w *worldtest.World) podOpt { return ofTemplate(w, "none", wants("unknown", 1)) }, ""},
		{"a template that is not there", func(*worldtest.World) podOpt {
			return func(p *corev1.Pod) {
				p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "x", ResourceClaimTemplateName: new("lost")}}
			}
		}, ""},
		{"a claim that is not there", func(*worldtest.World) podOpt { return ofClaim("lost") }, ""},
		{"a claim that is not given yet", func(w *worldtest.World) podOpt {
			w.Objects.ResourceClaims = []resourcev1.ResourceClaim{namedClaim("team", one)}
			return ofClaim("team")
		}, "n1"},
		{"beside others with a device each", func(w *worldtest.World) podOpt {
			other := w.AddPod("old", "1", "1Gi", worldtest.On("n1"), ofClaim("old"))
			w.Objects.ResourceClaims = []resourcev1.ResourceClaim{given(namedClaim("old", one), "n1", "gpu-0", other.UID)}
			return ofTemplate(w, "two", wants("gpu", 2))
		}, ""},
		{"a claim that others hold on n2", func(w *worldtest.World) podOpt {
			w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, gpus("n2", 1))
			other := w.AddPod("old", "1", "1Gi", worldtest.On("n2"), ofClaim("team"))
			w.Objects.ResourceClaims = []resourcev1.ResourceClaim{given(namedClaim("team", one), "n2", "gpu-0", other.UID)}
			return ofClaim("team")
		}, "n2"},
		{"a claim given on n2 that nobody holds", func(w *worldtest.World) podOpt {
			w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, gpus("n2", 1))
			w.Objects.ResourceClaims = []resourcev1.ResourceClaim{given(namedClaim("team", one), "n2", "gpu-0")}
			return ofClaim("team")
		}, "n1 n2"},
		{"an extended resource that devices stand behind", func(*worldtest.World) podOpt { return worldtest.Requests("example.com/gpu", "2") }, "n1"},
		{"more of it than there are", func(*worldtest.World) podOpt { return worldtest.Requests("example.com/gpu", "3") }, ""},
		{"a class by the name of a resource", func(*worldtest.World) podOpt {
			return worldtest.Requests("deviceclass.resource.kubernetes.io/gpu", "1")
		}, "n1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := twoNodes()
			opt := tt.pod(w)
			pod := w.AddPod("new", "1", "1Gi", opt).DeepCopy()
			if got := where(t, w, pod); got != tt.want {
				t.Errorf("the pod fits %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDevicesAreGivenOnce: three pods for two GPUs; what a fork gave is given
// back, and what a pod leaves the next can have.
func TestDevicesAreGivenOnce(t *testing.T) {
	w := twoNodes()
	opt := ofTemplate(w, "one", wants("gpu", 1))
	var pods []*corev1.Pod
	for i := range 3 {
		pods = append(pods, w.AddPod(fmt.Sprint("p", i), "1", "1Gi", opt).DeepCopy())
	}
	c := build(t, w)
	if c.Class(pods[0]) != c.Class(pods[1]) {
		t.Error("two pods of one template are of two classes")
	}
	greedy := w.AddPod("greedy", "1", "1Gi", ofTemplate(w, "two", wants("gpu", 2))).DeepCopy()
	if c := build(t, w); c.Class(pods[0]) == c.Class(greedy) {
		t.Error("pods that ask for one device and for two are of one class")
	}
	placed := func() (n int) {
		for _, p := range pods {
			if on, _ := c.Schedule(p, []string{"n1", "n2"}); on != "" {
				n++
			}
		}
		return n
	}
	c.Fork()
	if n := placed(); n != 2 {
		t.Fatalf("%d pods were given a device, want 2", n)
	}
	c.Revert()
	if n := placed(); n != 2 {
		t.Fatalf("after Revert %d pods were given a device, want 2", n)
	}
	if err := c.RemovePod(pods[0], "n1"); err != nil {
		t.Fatal(err)
	}
	if why, ok := c.Fits(pods[2], "n1"); !ok {
		t.Errorf("a device is free again, and yet: %s", why)
	}
}

// TestNewNodesHaveTheirTemplatesDevices: two pods to a node like n1, each node
// with devices of its own.
func TestNewNodesHaveTheirTemplatesDevices(t *testing.T) {
	w := twoNodes()
	opt := ofTemplate(w, "one", wants("gpu", 1))
	s := w.Snapshot()
	c := fill(t, s)
	model := c.Model(s.Pools[0].Nodes[0].Object, nil, s.Pools[0].Slices...)
	var names []string
	for i := range 3 {
		names = append(names, fmt.Sprint("new", i))
		if err := c.AddLike(model, names[i]); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for i := range 7 {
		pod := worldtest.New().AddPod(fmt.Sprint("p", i), "1", "1Gi", opt).DeepCopy()
		on, _ := c.Schedule(pod, names)
		got[on]++
	}
	if got["new0"] != 2 || got["new1"] != 2 || got["new2"] != 2 || got[""] != 1 {
		t.Errorf("pods by node: %v, want two on each and one left", got)
	}
}

// TestWhatRunsOnEachNewNodeTakesItsDevice: a DaemonSet's pod holds one of the two
// devices of each new node.
func TestWhatRunsOnEachNewNodeTakesItsDevice(t *testing.T) {
	w := twoNodes()
	opt := ofTemplate(w, "one", wants("gpu", 1))
	s := w.Snapshot()
	c := fill(t, s)
	daemon := worldtest.New().AddPod("agent", "1", "1Gi", opt).DeepCopy()
	model := c.Model(s.Pools[0].Nodes[0].Object, []*corev1.Pod{daemon}, s.Pools[0].Slices...)
	got := map[string]int{}
	for _, name := range []string{"new0", "new1"} {
		if err := c.AddLike(model, name); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		pod := worldtest.New().AddPod(fmt.Sprint("p", i), "1", "1Gi", opt).DeepCopy()
		on, _ := c.Schedule(pod, []string{"new0", "new1"})
		got[on]++
	}
	if got["new0"] != 1 || got["new1"] != 1 || got[""] != 1 {
		t.Errorf("pods by node: %v, want one on each and one left", got)
	}
}

// TestNoClaimFindsTheVeryDevice: a claim for the uuid of a device that stands is
// not met by a new node.
func TestNoClaimFindsTheVeryDevice(t *testing.T) {
	w := twoNodes()
	spec := wants("gpu", 1)
	spec.Devices.Requests[0].Exactly.Selectors = []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{
		Expression: `device.attributes["gpu.example.com"].uuid == "uuid-of-gpu-0"`,
	}}}
	pod := w.AddPod("p", "1", "1Gi", ofTemplate(w, "very", spec)).DeepCopy()
	s := w.Snapshot()
	c := fill(t, s)
	if why, ok := c.Fits(pod, "n1"); !ok {
		t.Errorf("the device stands there, and yet: %s", why)
	}
	if err := c.AddLike(c.Model(s.Pools[0].Nodes[0].Object, nil, s.Pools[0].Slices...), "new"); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Fits(pod, "new"); ok {
		t.Error("a new node is taken to have the device of another")
	}
}

// TestExtendedResourcesBefore136: an older scheduler does not take devices for
// them.
func TestExtendedResourcesBefore136(t *testing.T) {
	w := twoNodes()
	pod := w.AddPod("p", "1", "1Gi", worldtest.Requests("example.com/gpu", "1")).DeepCopy()
	s := w.Snapshot()
	s.ControlPlane = "v1.35.2"
	why, ok := fill(t, s).Fits(pod, "n1")
	if ok || why.Message != "Insufficient example.com/gpu" {
		t.Errorf("Fits = %v %q, want it short of the resource", ok, why)
	}
}

// TestEndlessSearch: a claim whose search takes for ever costs a bounded time, and
// the other pods are served.
func TestEndlessSearch(t *testing.T) {
	w := twoNodes()
	var many []resourcev1.Device
	for i := range 32 {
		many = append(many, device(fmt.Sprint("gpu-", i), "small", int64(i)))
	}
	w.Objects.ResourceSlices = []resourcev1.ResourceSlice{slice("gpu.example.com", "n1", many...)}
	spec := wants("gpu", 16) // there are 601,080,390 ways, none of which leads on
	spec.Devices.Requests = append(spec.Devices.Requests, resourcev1.DeviceRequest{Name: "too", Exactly: wants("big", 1).Devices.Requests[0].Exactly})
	opt := ofTemplate(w, "endless", spec)
	c := build(t, w)
	began := time.Now()
	for i := range 20 {
		pod := w.AddPod(fmt.Sprint("p", i), "1", "1Gi", opt, worldtest.Labels[*corev1.Pod]("n", fmt.Sprint(i))).DeepCopy()
		why, ok := c.Fits(pod, "n1")
		if ok {
			t.Error("there is no big device, and yet the pod fits")
		}
		// A search is one for the answer and one for the reason. Whether it is given up
		// hangs on the claim and not on the machine: the first claim alone has both.
		if given := strings.Contains(why.Message, "timed out"); given != (i == 0) || !given && !strings.Contains(why.Message, "not asked") {
			t.Errorf("search %d: %s", i, why)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("20 searches took %s", took)
	}
	other := worldtest.New().AddPod("q", "1", "1Gi").DeepCopy()
	if why, ok := c.Fits(other, "n1"); !ok {
		t.Errorf("a plain pod: %s", why)
	}
}
