package fit_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// anySpec draws a claim with any of what the allocator goes by.
func anySpec(rt *rapid.T, what string) resourcev1.ResourceClaimSpec {
	class := rapid.SampledFrom([]string{"gpu", "gpu", "gpu", "big", "wire", "unknown"})
	spec := wants(class.Draw(rt, "class of "+what), int64(rapid.IntRange(1, 2).Draw(rt, "count of "+what)))
	request := &spec.Devices.Requests[0]
	switch rapid.IntRange(0, 6).Draw(rt, "kind of "+what) {
	case 0:
		request.Exactly.AllocationMode, request.Exactly.Count = resourcev1.DeviceAllocationModeAll, 0
	case 1:
		*request = resourcev1.DeviceRequest{Name: "it", FirstAvailable: []resourcev1.DeviceSubRequest{
			{Name: "best", DeviceClassName: "big", AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1},
			{Name: "else", DeviceClassName: "gpu", AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 2},
		}}
	case 2:
		spec.Devices.Requests = append(spec.Devices.Requests, resourcev1.DeviceRequest{Name: "too", Exactly: wants("gpu", 1).Devices.Requests[0].Exactly})
		spec.Devices.Constraints = []resourcev1.DeviceConstraint{{MatchAttribute: new(resourcev1.FullyQualifiedName("gpu.example.com/board"))}}
	case 3:
		request.Exactly.Selectors = []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{
			Expression: `device.attributes["gpu.example.com"].board == 0`, // wires have no such attribute: an error
		}}}
	}
	return spec
}

// anySlices draws what is published of a node.
func anySlices(rt *rapid.T, node string) []resourcev1.ResourceSlice {
	var gpus, wires []resourcev1.Device
	for i := range rapid.IntRange(0, 3).Draw(rt, "gpus of "+node) {
		d := device(fmt.Sprint("gpu-", i), rapid.SampledFrom([]string{"small", "small", "big"}).Draw(rt, "size"), int64(i/2))
		if rapid.IntRange(0, 6).Draw(rt, "ill") == 0 {
			d.Taints = []resourcev1.DeviceTaint{{Key: "ill", Effect: resourcev1.DeviceTaintEffectNoSchedule}}
		}
		gpus = append(gpus, d)
	}
	for i := range rapid.IntRange(0, 1).Draw(rt, "wires of "+node) {
		wires = append(wires, device(fmt.Sprint("wire-", i), "small", 0))
	}
	out := []resourcev1.ResourceSlice{slice("gpu.example.com", node, gpus...), slice("wire.example.com", node, wires...)}
	if rapid.IntRange(0, 5).Draw(rt, "incomplete") == 0 {
		out[0].Spec.Pool.ResourceSliceCount = 2
	}
	if rapid.IntRange(0, 5).Draw(rt, "old") == 0 {
		before := slice("gpu.example.com", node, device("gone", "big", 7))
		before.Name, before.Spec.Pool.Generation = before.Name+"-before", 0
		out = append(out, before)
	}
	return out
}

// deviceWorld draws classes, slices, claims and pods that use them.
func deviceWorld(rt *rapid.T, plain bool) (*worldtest.World, []*corev1.Pod) {
	w := worldtest.New()
	storage(w)
	w.Objects.Namespaces = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}
	w.Objects.DeviceClasses = deviceClasses()
	for i := range 6 {
		w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, anySlices(rt, fmt.Sprint("n", i))...)
	}
	if rapid.Bool().Draw(rt, "fabric") {
		far := slice("wire.example.com", "", device("far-0", "small", 0), device("far-1", "small", 0))
		far.Name, far.Spec.Pool.Name, far.Spec.NodeName = "fabric", "fabric", nil
		far.Spec.NodeSelector = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"AD-1", "AD-2"}},
		}}}}
		w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, far)
	}
	w.Objects.ResourceClaims = []resourcev1.ResourceClaim{namedClaim("team", anySpec(rt, "team")), namedClaim("crew", wants("gpu", 1))}
	var pods []*corev1.Pod
	for i := range rapid.IntRange(2, 5).Draw(rt, "shapes") {
		opt := func(p *corev1.Pod) {}
		if !plain && rapid.Bool().Draw(rt, "more") {
			more := anyPod(rt)
			opt = func(p *corev1.Pod) { more(p); p.Namespace = "default" }
		}
		var use func(*corev1.Pod)
		switch rapid.IntRange(0, 4).Draw(rt, "uses") {
		case 0:
			use = ofClaim(rapid.SampledFrom([]string{"team", "crew", "lost"}).Draw(rt, "claim"))
		case 1:
			use = worldtest.Requests("example.com/gpu", rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "extended"))
		default:
			use = ofTemplate(w, fmt.Sprint("template", i), anySpec(rt, fmt.Sprint("template", i)))
		}
		made := rapid.Bool().Draw(rt, "made")
		for j := range rapid.IntRange(1, 3).Draw(rt, "replicas") {
			pod := w.AddPod(fmt.Sprintf("p%d-%d", i, j), "500m", "1Gi", opt, use)
			if made {
				makeClaims(w, pod)
			}
			pods = append(pods, pod.DeepCopy())
		}
	}
	return w, pods
}

// makeClaims does what the controller of claims does for a pod.
func makeClaims(w *worldtest.World, pod *corev1.Pod) {
	for _, ref := range pod.Spec.ResourceClaims {
		for _, t := range w.Objects.ResourceClaimTemplates {
			if ref.ResourceClaimTemplateName != nil && t.Name == *ref.ResourceClaimTemplateName {
				name := pod.Name + "-" + ref.Name + "-x7"
				claim := namedClaim(name, t.Spec.Spec)
				claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))}
				w.Objects.ResourceClaims = append(w.Objects.ResourceClaims, claim)
				pod.Status.ResourceClaimStatuses = append(pod.Status.ResourceClaimStatuses, corev1.PodResourceClaimStatus{Name: ref.Name, ResourceClaimName: &name})
			}
		}
	}
}

// TestClusterAgreesOnDevices does anything to a Cluster, in forks and out of them.
// Its claims are then shown to the scheduler's own books as if the API had them:
// each answer, and each reason, is that of the scheduler's plugins.
func TestClusterAgreesOnDevices(t *testing.T) {
	yes, no := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w, pods := deviceWorld(rt, false)
		s := w.Snapshot()
		c, err := fit.New(s)
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{map[string]*corev1.Node{}, map[string][]*corev1.Pod{}}
		for i := range 3 {
			n := anyTwinNode(rt, fmt.Sprintf("n%d", i))
			m.nodes[n.Name] = n
			if err := c.AddNode(n); err != nil {
				rt.Fatal(err)
			}
		}
		template := templateOf(s)
		compare := func() {
			o := asTheSchedulerSees(rt, s, c, m)
			for _, p := range pods {
				if m.has(p) {
					continue // it has its devices
				}
				for name := range m.nodes {
					wantWhy, want := o.Fits(p, name)
					why, ok := c.Fits(p, name)
					if ok != want || why != wantWhy {
						rt.Fatalf("pod %s on %s: %v %q, the scheduler says %v %q", p.Name, name, ok, why, want, wantWhy)
					}
					if ok {
						yes++
					} else if why.Plugin == "DynamicResources" {
						no++
					}
				}
			}
		}
		var saved []*model
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			name := fmt.Sprintf("n%d", rapid.IntRange(0, 5).Draw(rt, "node"))
			pod := pods[rapid.IntRange(0, len(pods)-1).Draw(rt, "pod")]
			switch rapid.SampledFrom([]string{"add", "add", "add", "add", "take", "take", "remove", "like", "fork", "revert", "commit", "compare"}).Draw(rt, "step") {
			case "add":
				if m.nodes[name] != nil && !m.has(pod) {
					m.on[name] = append(m.on[name], pod)
					if err := c.AddPod(pod, name); err != nil {
						rt.Fatal(err)
					}
				}
			case "take":
				if i := slices.Index(m.on[name], pod); i >= 0 {
					m.on[name] = slices.Delete(slices.Clone(m.on[name]), i, i+1)
					if err := c.RemovePod(pod, name); err != nil {
						rt.Fatal(err)
					}
				}
			case "remove":
				delete(m.nodes, name)
				delete(m.on, name)
				c.RemoveNode(name)
			case "like":
				if name = "like" + name; m.nodes[name] == nil {
					n := anyTwinNode(rt, name)
					if err := c.AddLike(c.Model(n, nil, template...), name); err != nil {
						rt.Fatal(err)
					}
					m.nodes[name] = n
				}
			case "fork":
				saved = append(saved, m.clone())
				c.Fork()
			case "revert":
				if len(saved) > 0 {
					m, saved = saved[len(saved)-1], saved[:len(saved)-1]
					c.Revert()
				}
			case "commit":
				if len(saved) > 0 {
					saved = saved[:len(saved)-1]
					c.Commit()
				}
			case "compare":
				compare()
			}
		}
		compare()
	})
	t.Logf("%d times yes, %d times no for want of devices", yes, no)
	if yes < 50 || no < 50 {
		t.Errorf("%d times yes, %d times no: the test proves nothing", yes, no)
	}
}

func (m *model) has(pod *corev1.Pod) bool {
	for _, list := range m.on {
		if slices.Contains(list, pod) {
			return true
		}
	}
	return false
}

// templateOf is what n0 publishes, as a pool whose example it is would have it.
func templateOf(s *world.Snapshot) []*resourcev1.ResourceSlice {
	n := &world.Node{Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n0"}}}
	n.Object.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	local := map[string][]*resourcev1.ResourceSlice{}
	for _, x := range world.LocalSlices(s.Devices.Slices) {
		local[*x.Spec.NodeName] = append(local[*x.Spec.NodeName], x)
	}
	return world.TemplateSlices(cloudprovider.NodePool{}, []*world.Node{n}, local)
}

// asTheSchedulerSees is an Oracle for the state that the Cluster is in.
func asTheSchedulerSees(rt *rapid.T, s *world.Snapshot, c *fit.Cluster, m *model) *fit.Oracle {
	now := *s
	now.Pending = nil
	now.Devices.Claims = c.Claims()
	o, err := fit.NewOracle(&now)
	if err != nil {
		rt.Fatal(err)
	}
	for name, n := range m.nodes {
		if err := o.AddNode(n); err != nil {
			rt.Fatal(err)
		}
		if name[0] == 'l' {
			if err := o.AddSlices(c.Slices(name)); err != nil {
				rt.Fatal(err)
			}
		}
		for _, p := range m.on[name] {
			if err := o.AddBound(p, name); err != nil {
				rt.Fatal(err)
			}
		}
	}
	return o
}

// TestDevicesReplay places pods one after the other, with what-ifs in between,
// and then has the scheduler do the same from the beginning, with books of its
// own: it gives each of them devices where it was placed, and none to those that
// were not.
func TestDevicesReplay(t *testing.T) {
	placed := 0
	rapid.Check(t, func(rt *rapid.T) {
		w, pods := deviceWorld(rt, true)
		s := w.Snapshot()
		c, err := fit.New(s)
		if err != nil {
			rt.Fatal(err)
		}
		o, err := fit.NewOracle(s)
		if err != nil {
			rt.Fatal(err)
		}
		var names []string
		for i := range 3 {
			n := anyTwinNode(rt, fmt.Sprintf("n%d", i))
			names = append(names, n.Name)
			if err := c.AddNode(n); err != nil {
				rt.Fatal(err)
			}
			if err := o.AddNode(n); err != nil {
				rt.Fatal(err)
			}
		}
		for _, pod := range pods {
			if rapid.Bool().Draw(rt, "what if") {
				c.Fork()
				c.Schedule(pods[rapid.IntRange(0, len(pods)-1).Draw(rt, "other")], names)
				c.RemoveNode(rapid.SampledFrom(names).Draw(rt, "gone"))
				c.Revert()
			}
			on, why := c.Schedule(pod, names)
			if on == "" {
				for _, name := range names {
					if _, ok := o.Fits(pod, name); ok {
						rt.Fatalf("pod %s fits nowhere (%s), the scheduler says %s", pod.Name, why, name)
					}
				}
				continue
			}
			if why, ok := o.Fits(pod, on); !ok {
				rt.Fatalf("pod %s goes to %s, the scheduler refuses: %s", pod.Name, on, why)
			}
			if err := o.AddPod(pod, on); err != nil {
				rt.Fatal(err)
			}
			placed++
		}
		givenOnce(rt, c)
	})
	if placed < 100 {
		t.Errorf("%d pods placed: the test proves nothing", placed)
	}
}

// givenOnce checks that no device is two claims'.
func givenOnce(rt *rapid.T, c *fit.Cluster) {
	whose := map[string]string{}
	for _, claim := range c.Claims() {
		if claim.Status.Allocation == nil {
			continue
		}
		for _, r := range claim.Status.Allocation.Devices.Results {
			key := r.Driver + "/" + r.Pool + "/" + r.Device
			if whose[key] != "" {
				rt.Fatalf("device %s is given to %s and to %s", key, whose[key], claim.Name)
			}
			whose[key] = claim.Name
		}
	}
}
