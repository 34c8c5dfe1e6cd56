package vacate

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingcorev1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// kind is pods that every node gives the same answer.
type kind struct {
	want  Amount
	entry *entry
	// cursor is the first destination that has not refused this kind yet.
	cursor int
	// refused is why no destination takes it, as of the cluster's version.
	refused   string
	refusedAt int
}

// kindKey tells kinds apart.
type kindKey struct {
	entry *entry
	want  Amount
}

// entry is a way of choosing nodes: selector, affinity and tolerations. It holds
// what each node says to that, asked once.
type entry struct {
	affinity    nodeaffinity.RequiredNodeAffinity
	tolerations []corev1.Toleration
	answers     []answer // by place
}

type answer uint8

const (
	unasked answer = iota
	admitted
	saysTainted
	saysUnwanted
)

// Why a destination refuses, in the scheduler's words.
const (
	whyTainted  = "TaintToleration: node(s) had untolerated taint(s)"
	whyUnwanted = "NodeAffinity: node(s) didn't match Pod's node affinity/selector"
)

// admits is the node's answer, by the functions that the scheduler's
// NodeAffinity and TaintToleration plugins call.
func (e *entry) admits(i int, n *corev1.Node) answer {
	if e.answers[i] != unasked {
		return e.answers[i]
	}
	e.answers[i] = admitted
	if _, bad := schedulingcorev1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, e.tolerations, hard, false); bad {
		e.answers[i] = saysTainted
	} else if ok, _ := e.affinity.Match(n); !ok {
		e.answers[i] = saysUnwanted
	}
	return e.answers[i]
}

func hard(t *corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// simple is whether the scheduler's answer for the pod depends on the node
// alone, as far as the pod itself says. It is a list of what the plugins look
// at; whatever is not on it sends the pod to the Oracle.
func simple(pod *corev1.Pod) bool {
	s := &pod.Spec
	if len(s.ResourceClaims) > 0 || !simpleAffinity(s.Affinity) || !simpleVolumes(s.Volumes) {
		return false
	}
	for i := range s.TopologySpreadConstraints {
		if s.TopologySpreadConstraints[i].WhenUnsatisfiable != corev1.ScheduleAnyway {
			return false
		}
	}
	for i := range s.Tolerations {
		switch s.Tolerations[i].Operator {
		case "", corev1.TolerationOpEqual, corev1.TolerationOpExists:
		default:
			return false
		}
	}
	ports := func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort > 0 })
	}
	for i := range s.Containers {
		if ports(&s.Containers[i]) {
			return false
		}
	}
	for i := range s.InitContainers {
		if ports(&s.InitContainers[i]) {
			return false
		}
	}
	return true
}

// simpleAffinity: preferences score and do not filter; terms on a node's name
// would make each pod a kind of its own.
func simpleAffinity(a *corev1.Affinity) bool {
	if a == nil {
		return true
	}
	if a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 ||
		a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		return false
	}
	if a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	for _, t := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		if len(t.MatchFields) > 0 {
			return false
		}
	}
	return true
}

// simpleVolumes: no plugin looks at volumes that are made on whatever node the
// pod runs on.
func simpleVolumes(list []corev1.Volume) bool {
	for i := range list {
		v := &list[i]
		if v.EmptyDir == nil && v.ConfigMap == nil && v.Secret == nil && v.Projected == nil && v.DownwardAPI == nil && v.HostPath == nil {
			return false
		}
	}
	return true
}

// entryKey names the pod's way of choosing nodes. The two tolerations that
// every pod is given at admission are so common that they have no name.
func entryKey(s *corev1.PodSpec) string {
	required := s.Affinity != nil && s.Affinity.NodeAffinity != nil && s.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil
	if len(s.NodeSelector) == 0 && !required && common(s.Tolerations) {
		return ""
	}
	var b strings.Builder
	keys := make([]string, 0, len(s.NodeSelector))
	for k := range s.NodeSelector {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b.WriteString(k + "=" + s.NodeSelector[k] + "\n")
	}
	for i := range s.Tolerations {
		t := &s.Tolerations[i]
		b.WriteString("\x00" + t.Key + "\x00" + string(t.Operator) + "\x00" + t.Value + "\x00" + string(t.Effect))
	}
	if required {
		text, err := json.Marshal(s.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		if err != nil {
			panic(err) // plain API types always marshal
		}
		b.Write(text)
	}
	return b.String()
}

func common(list []corev1.Toleration) bool {
	for i := range list {
		t := &list[i]
		if t.Effect != corev1.TaintEffectNoExecute || t.Operator != corev1.TolerationOpExists ||
			t.Key != corev1.TaintNodeNotReady && t.Key != corev1.TaintNodeUnreachable {
			return false
		}
	}
	return len(list) == 0 || len(list) == 2 && list[0].Key != list[1].Key
}
