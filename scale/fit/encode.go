package fit

import (
	"encoding/binary"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// text spells out, one field after the other and none ambiguously, what filtering
// looks at. Two pods of one spelling get the same answer from every plugin.
type text []byte

func (t *text) str(s string) {
	*t = binary.AppendUvarint(*t, uint64(len(s)))
	*t = append(*t, s...)
}

func (t *text) int(n int64) { *t = binary.AppendVarint(*t, n) }

func (t *text) flag(b bool) {
	if b {
		*t = append(*t, 1)
	} else {
		*t = append(*t, 0)
	}
}

// message spells an API value in its own encoding, which sorts maps.
func (t *text) message(m interface{ Marshal() ([]byte, error) }) {
	b, err := m.Marshal()
	if err != nil {
		panic(err) // plain API types always marshal
	}
	t.str(string(b))
}

// quantity spells an amount: whole numbers and thousandths quickly, since a
// quantity's own way of writing itself is slow.
func (t *text) quantity(q resource.Quantity) {
	if n, ok := q.AsInt64(); ok {
		t.flag(false)
		t.int(n)
		return
	}
	if n := q.MilliValue(); q.CmpInt64(1<<40) < 0 && q.Cmp(*resource.NewMilliQuantity(n, q.Format)) == 0 {
		t.flag(true)
		t.int(n)
		return
	}
	*t = append(*t, 2)
	t.str(q.String())
}

func (t *text) list(r corev1.ResourceList) {
	t.int(int64(len(r)))
	if len(r) == 0 {
		return
	}
	// Nearly all pods ask for these two, in this order, and for nothing else.
	cpu, ok := r[corev1.ResourceCPU]
	t.flag(ok)
	t.quantity(cpu)
	memory, too := r[corev1.ResourceMemory]
	t.flag(too)
	t.quantity(memory)
	if ok && too && len(r) == 2 {
		return
	}
	var room [8]string
	names := room[:0]
	for name := range r {
		names = append(names, string(name))
	}
	slices.Sort(names)
	for _, name := range names {
		t.str(name)
		t.quantity(r[corev1.ResourceName(name)])
	}
}

func (t *text) pairs(m map[string]string) {
	t.int(int64(len(m)))
	if len(m) == 0 {
		return
	}
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		t.str(k)
		t.str(m[k])
	}
}

// chosen spells those of the pairs whose keys are among the sorted ones.
func (t *text) chosen(m map[string]string, keys []string) {
	for i, k := range keys {
		if v, ok := m[k]; ok {
			t.int(int64(i))
			t.str(v)
		}
	}
	t.int(-1)
}

func (t *text) containers(list []corev1.Container) {
	t.int(int64(len(list)))
	for i := range list {
		c := &list[i]
		t.list(c.Resources.Requests)
		always := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		t.flag(always) // a sidecar's requests and ports count differently
		for j := range c.Ports {
			if p := &c.Ports[j]; p.HostPort > 0 {
				t.int(int64(p.HostPort))
				t.str(p.HostIP)
				t.str(string(p.Protocol))
			}
		}
		t.int(0)
	}
}

// resized spells what the kubelet says of the resources that containers have:
// it is counted for a pod that runs. The names tell which container's it is.
func (t *text) resized(pod *corev1.Pod) {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range statuses {
			s := &statuses[i]
			if s.Resources == nil {
				continue
			}
			at := 1 + slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == s.Name })
			if at == 0 {
				at = -1 - slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == s.Name })
			}
			if at == 0 {
				continue // a container that the spec does not have counts for nothing
			}
			t.int(int64(at))
			t.list(s.Resources.Requests)
			t.list(s.AllocatedResources)
		}
	}
	if r := pod.Status.Resources; r != nil {
		t.message(r)
		t.list(pod.Status.AllocatedResources)
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodResizePending {
			t.str(c.Reason)
		}
	}
	for i := range pod.Status.NodeAllocatableResourceClaimStatuses {
		t.list(corev1.ResourceList{})
		t.message(&pod.Status.NodeAllocatableResourceClaimStatuses[i])
	}
	t.int(0)
}

// selection spells what the pod wants of a node by itself, were it bound to that
// one.
func (t *text) selection(pod *corev1.Pod, bound string) {
	t.str(bound)
	t.pairs(pod.Spec.NodeSelector)
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		t.message(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	} else {
		t.str("")
	}
	t.tolerations(pod.Spec.Tolerations)
}

func (t *text) tolerations(list []corev1.Toleration) {
	t.int(int64(len(list)))
	for i := range list {
		x := &list[i]
		t.str(x.Key)
		t.str(string(x.Operator))
		t.str(x.Value)
		t.str(string(x.Effect))
	}
}

// company spells what the pod wants of other pods.
func (t *text) company(pod *corev1.Pod) {
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		terms := a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		for i := range terms {
			t.message(&terms[i])
		}
	}
	t.flag(false)
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		terms := a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		for i := range terms {
			t.message(&terms[i])
		}
	}
	t.flag(false)
	for i := range pod.Spec.TopologySpreadConstraints {
		if c := &pod.Spec.TopologySpreadConstraints[i]; c.WhenUnsatisfiable == corev1.DoNotSchedule {
			t.message(c)
		}
	}
	t.flag(false)
}
