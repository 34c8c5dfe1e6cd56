package drain

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// skipped is whether the pod asks to end with its node.
func skipped(pod *corev1.Pod) bool { return pod.Annotations[v1alpha1.AnnotationDrain] == "skip" }

// safe and unsafe are cluster-autoscaler's word for it.
func safe(pod *corev1.Pod) bool   { return pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "true" }
func unsafe(pod *corev1.Pod) bool { return pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "false" }

// protection is why the pod's own annotations forbid to ask it; nil if they do
// not.
func protection(pod *corev1.Pod, now time.Time) *Block {
	protected, malformed := world.DoNotDisrupt(pod.Annotations, pod.CreationTimestamp.Time, now)
	block := func(r Reason, message string) *Block { return &Block{Pod: key(pod), Reason: r, Message: message} }
	switch {
	case malformed:
		return block(DoNotDisrupt, "annotation "+v1alpha1.AnnotationDoNotDisrupt+` is neither "true" nor a duration such as "2h"; the pod is kept to be safe`)
	case protected:
		return block(DoNotDisrupt, "annotation "+v1alpha1.AnnotationDoNotDisrupt+" protects the pod")
	case unsafe(pod):
		return block(NotSafeToEvict, "annotation "+v1alpha1.AnnotationSafeToEvict+` is "false"`)
	}
	if _, err := patience(pod, Terms{}); err != nil {
		return block(BadAnnotation, err.Error())
	}
	return nil
}

// forever is a patience that ends with the drain's timeout only.
const forever = 10000 * time.Hour

// patience is how long the pod may take to complete, from the drain's beginning.
func patience(pod *corev1.Pod, t Terms) (time.Duration, error) {
	switch v := pod.Annotations[v1alpha1.AnnotationDrain]; v {
	case "":
		if pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "on-completion" {
			return forever, nil // cluster-autoscaler's word for the same
		}
	case "skip":
	case "wait":
		return forever, nil
	default:
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return 0, fmt.Errorf(`annotation %s=%q is neither "skip" nor "wait" nor a duration such as "2h"; the pod is kept to be safe`, v1alpha1.AnnotationDrain, v)
		}
		return d, nil
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Kind == "Job" {
		return t.WaitForJobs, nil
	}
	return 0, nil
}

// completing says what the pod waits for; nil when it has had its time.
func (t Target) completing(pod *corev1.Pod, now time.Time) *Block {
	wait, err := patience(pod, t.Terms)
	if err != nil || wait <= 0 {
		return nil
	}
	began := t.Started
	if began.IsZero() {
		began = now
	}
	if !now.Before(began.Add(wait)) {
		return nil
	}
	message := "it is waited for until it completes"
	if wait < forever {
		message += " or until " + began.Add(wait).UTC().Format(time.RFC3339)
	}
	return &Block{Pod: key(pod), Reason: Completing, Message: message}
}

// Patience is the longest that any of the pods may take to complete, without
// those that set no end.
func Patience(pods []*corev1.Pod, t Terms) time.Duration {
	var longest time.Duration
	for _, p := range pods {
		if d, err := patience(p, t); err == nil && d < forever && !over(p) {
			longest = max(longest, d)
		}
	}
	return longest
}

func over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// comesBack is whether the pod was put on the node after its cordon had been
// seen by everybody: it tolerates the cordon, and its successor will come too.
func (t Target) comesBack(pod *corev1.Pod) bool {
	if t.Cordoned.IsZero() || pod.CreationTimestamp.Time.Before(t.Cordoned.Add(MinDrain+t.Ahead)) {
		return false
	}
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		if (t.Key == "" && t.Operator == corev1.TolerationOpExists) || t.Key == cordon.Key {
			return t.Effect == "" || t.Effect == cordon.Effect
		}
	}
	return false
}
