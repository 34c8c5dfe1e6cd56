package scale

import (
	"fmt"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/scale/fit"
)

// waiting is a pending pod that a node could help.
type waiting struct {
	pod  *corev1.Pod
	name string
	want corev1.ResourceList // what it asks for
}

// sieve keeps the pods that more room could help and writes a verdict for the
// others. The order is that in which room is given out: priority first, as the
// scheduler does, then the largest, since small ones fill the gaps that large
// ones leave.
func (d *decision) sieve(pending []*corev1.Pod) []*waiting {
	var out []*waiting
	for _, pod := range pending {
		if reason, message := d.passOver(pod); reason != "" {
			d.refuse(pod, reason, message)
			continue
		}
		out = append(out, &waiting{pod, podName(pod), requests(pod)})
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if pa, pb := priority(a.pod), priority(b.pod); pa != pb {
			return pa > pb
		}
		if c := a.want.Cpu().Cmp(*b.want.Cpu()); c != 0 {
			return c > 0
		}
		if c := a.want.Memory().Cmp(*b.want.Memory()); c != 0 {
			return c > 0
		}
		return a.name < b.name
	})
	return out
}

// passOver says why no node could help the pod, "" when one could.
func (d *decision) passOver(pod *corev1.Pod) (Reason, string) {
	if n := len(pod.Spec.SchedulingGates); n > 0 {
		return PodGated, "waiting for " + count(n, "scheduling gate")
	}
	if !slices.Contains(d.p.Schedulers, pod.Spec.SchedulerName) {
		return OtherScheduler, fmt.Sprintf("its scheduler is %q", pod.Spec.SchedulerName)
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Kind == "DaemonSet" {
		return DaemonSetPod, "it runs on a node of its own or not at all"
	}
	if p := priority(pod); p < *d.p.PriorityCutoff {
		return LowPriority, fmt.Sprintf("priority %d is below %d", p, *d.p.PriorityCutoff)
	}
	if message := fit.Unsupported(pod); message != "" {
		return DynamicResources, message
	}
	if node := pod.Status.NominatedNodeName; node != "" && d.sim.Node(node) != nil {
		// What the scheduler has promised it is not promised to anybody else.
		if err := d.sim.AddPod(pod, node); err == nil {
			return Preempting, "the scheduler is making room on node " + node
		}
	}
	return "", ""
}

func priority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// place puts pods on the first node each fits and returns the others.
func (d *decision) place(pods []*waiting, among []string, h Help) []*waiting {
	if len(among) == 0 {
		return pods
	}
	var left []*waiting
	for _, w := range pods {
		node, _ := d.sim.Schedule(w.pod, among)
		if node == "" {
			left = append(left, w)
			continue
		}
		d.help(w, h, node)
	}
	return left
}
