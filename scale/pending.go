package scale

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/scale/fit"
)

// waiting is a pending pod that a node could help.
type waiting struct {
	pod  *corev1.Pod
	name string
	*shape
	at int // place among all pending pods, which is by name

	helped bool   // a new node is promised to it
	node   string // that was found for it last
}

// shape is what pods of one class have in common.
type shape struct {
	class *fit.Class
	want  corev1.ResourceList // what each asks for
	size  int                 // place among shapes, the largest first
	pods  int
	heft  float64 // how large, see heave
}

// accelerated is whether the pod asks for more than cores and memory.
func (w *waiting) accelerated() bool { return gpus(w.want) || w.class.Devised() }

// sieve keeps the pods that more room could help and writes a verdict for the
// others. The order is that in which room is given out: priority first, as the
// scheduler does, then the largest, since small ones fill the gaps that large
// ones leave. Pods that are alike stand together.
func (d *decision) sieve(pending []*corev1.Pod) []*waiting {
	d.plan.Verdicts = slices.Grow(d.plan.Verdicts, len(pending))
	room := make([]waiting, 0, len(pending)) // one allocation for all
	var shapes []*shape
	of := map[*fit.Class]*shape{}
	for i, pod := range pending {
		if reason, message := d.passOver(pod); reason != "" {
			d.refuse(pod, reason, message)
			continue
		}
		class := d.classOf(pod)
		sh := of[class]
		if sh == nil {
			sh = &shape{class: class, want: requests(pod), size: len(shapes)}
			of[class] = sh
			shapes = append(shapes, sh)
		}
		sh.pods++
		room = append(room, waiting{pod: pod, name: podName(pod), shape: sh, at: i})
	}
	d.prepare(shapes)
	out := make([]*waiting, len(room))
	for i := range room {
		out[i] = &room[i]
	}
	slices.SortFunc(out, waitingOrder)
	return out
}

// prepare orders the shapes, among like sizes by the first pod of each, and has
// what they want of other pods counted.
func (d *decision) prepare(shapes []*shape) {
	d.heave(shapes)
	slices.SortFunc(shapes, func(a, b *shape) int {
		return cmp.Or(cmp.Compare(b.heft, a.heft), b.want.Cpu().Cmp(*a.want.Cpu()), b.want.Memory().Cmp(*a.want.Memory()), cmp.Compare(a.size, b.size))
	})
	classes := make([]*fit.Class, len(shapes))
	for i, sh := range shapes {
		sh.size, classes[i] = i, sh.class
	}
	d.sim.Prepare(classes)
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
	if message := d.sim.Unsupported(pod); message != "" {
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
	if len(among) == 0 || len(pods) == 0 {
		return pods
	}
	return d.putAll(d.sim.Row(among), pods, func(w *waiting, node string) { d.help(w, h, node) })
}

// putAll is put as often as it puts anything: pods that want to be with others
// may come before these.
func (d *decision) putAll(row *fit.Row, pods []*waiting, found func(*waiting, string)) []*waiting {
	for minding := true; minding; {
		before := len(pods)
		pods = d.put(row, pods, found)
		minding = len(pods) < before && slices.ContainsFunc(pods, func(w *waiting) bool { return !w.class.Plain() })
	}
	return pods
}

// put puts pods on the row, like ones at a time, and returns those it has no
// room for.
func (d *decision) put(row *fit.Row, pods []*waiting, found func(*waiting, string)) []*waiting {
	var left []*waiting
	for len(pods) > 0 {
		run := d.run(pods)
		n := d.putRun(row, pods[:run], found)
		left = append(left, pods[n:run]...)
		pods = pods[run:]
	}
	return left
}

// run is how many pods at the front are alike.
func (d *decision) run(pods []*waiting) int {
	if pods[0].class.Stale() {
		for _, w := range pods { // a label has come to matter since
			if w.class.Stale() {
				w.shape = &shape{class: d.sim.Class(w.pod), want: w.want, size: w.size}
			}
		}
	}
	n := 1
	for n < len(pods) && pods[n].class == pods[0].class {
		n++
	}
	return n
}

// putRun puts like pods on the row and says how many: the first so many.
func (d *decision) putRun(row *fit.Row, like []*waiting, found func(*waiting, string)) int {
	return d.putPods(row, like, d.podsOf(like), found)
}

// podsOf are the pods of those that wait. The list holds until the next call.
func (d *decision) podsOf(like []*waiting) []*corev1.Pod {
	d.scratch = d.scratch[:0]
	for _, w := range like {
		d.scratch = append(d.scratch, w.pod)
	}
	return d.scratch
}

func (d *decision) putPods(row *fit.Row, like []*waiting, pods []*corev1.Pod, found func(*waiting, string)) int {
	at := 0
	return row.Put(like[0].class, pods, func(_ *corev1.Pod, node string) {
		found(like[at], node)
		at++
	})
}
