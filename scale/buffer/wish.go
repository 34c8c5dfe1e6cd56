package buffer

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Wish is room that somebody wants.
type Wish struct {
	// Kind, Namespace and Name say whose it is.
	Kind, Namespace, Name string
	// Pods are those that would need the room; none when it is granted already,
	// or cannot be read.
	Pods []*corev1.Pod
	// Err is why it is not served; nil when it is.
	Err error

	// object is where the outcome is written; nil for controllers, which are not
	// told.
	object *unstructured.Unstructured
	// status is what the object's status is to become, given what became of the
	// pods.
	status func(Outcome, time.Time) status
}

// ID is the wish's name as virtual pods carry it.
func (w Wish) ID() string { return w.Kind + "/" + w.Namespace + "/" + w.Name }

// Outcome counts what became of a wish's pods.
type Outcome struct {
	// There fit nodes that are there, Coming get one that is on its way or
	// planned, Not are not helped; Why is said of one of these.
	There, Coming, Not int
	Why                string
}

// status is what a wish's object is told beside the conditions that it has.
type status struct {
	conditions []metav1.Condition
	fields     map[string]any
}

// Objects are what wishes are read from. Lists of kinds that are not installed
// are nil.
type Objects struct {
	Requests, Buffers []unstructured.Unstructured
	// Template answers a PodTemplate, Workload a template and the replicas that a
	// workload wants; both return an error that says what is missing.
	Template func(namespace, name string) (*corev1.PodTemplateSpec, error)
	Workload func(kind, namespace, name string) (*corev1.PodTemplateSpec, int, error)
	// Controllers are pods' owners that may lack pods.
	Controllers []Controller
	// Pods are all pods of the cluster; used to see which requests are consumed
	// and which controllers lack pods.
	Pods []*corev1.Pod
}

// ErrTooMany is why a wish must wait: virtual pods are bounded in sum.
var ErrTooMany = errors.New("more virtual pods are wished for than one look may have")

// Read turns objects into wishes, each with its pods; in order of kind,
// namespace and name. One that cannot be read has Err set and no pods.
func Read(o Objects, now time.Time) []Wish {
	consumed := consumers(o.Pods)
	var out []Wish
	for i := range o.Requests {
		if w, ok := readRequest(&o.Requests[i], o, consumed, now); ok {
			out = append(out, w)
		}
	}
	for i := range o.Buffers {
		if w, ok := readBuffer(&o.Buffers[i], o); ok {
			out = append(out, w)
		}
	}
	out = append(out, controllers(o)...)
	total := 0
	for i := range out {
		if total+len(out[i].Pods) > MaxPods {
			out[i].Err = fmt.Errorf("%w: %d of %d are taken", ErrTooMany, total, MaxPods)
			out[i].Pods = nil
		}
		total += len(out[i].Pods)
	}
	return out
}

// Judge counts the outcomes of the wishes' pods. help answers what became of a
// pod, by the pod's UID.
func (w Wish) Judge(help func(*corev1.Pod) (there, coming bool, why string)) Outcome {
	var o Outcome
	for _, pod := range w.Pods {
		there, coming, why := help(pod)
		switch {
		case there:
			o.There++
		case coming:
			o.Coming++
		default:
			o.Not++
			o.Why = why
		}
	}
	return o
}

// Told is the wish's object as it is to be told the outcome, nil when it stands
// there already or nobody is told.
func (w Wish) Told(o Outcome, now time.Time) *unstructured.Unstructured {
	if w.object == nil || w.status == nil {
		return nil
	}
	s := w.status(o, now)
	out := w.object.DeepCopy()
	changed := setConditions(out, s.conditions, now)
	for name, value := range s.fields {
		old, _, _ := unstructured.NestedFieldNoCopy(out.Object, "status", name)
		if fmt.Sprint(old) != fmt.Sprint(value) {
			_ = unstructured.SetNestedField(out.Object, value, "status", name)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return out
}

// conditionsOf reads an object's conditions; what is not one is left out.
func conditionsOf(u *unstructured.Unstructured) []metav1.Condition {
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	var out []metav1.Condition
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		var c metav1.Condition
		if runtime.DefaultUnstructuredConverter.FromUnstructured(m, &c) == nil && c.Type != "" {
			out = append(out, c)
		}
	}
	return out
}

func find(list []metav1.Condition, kind string) *metav1.Condition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

func isTrue(list []metav1.Condition, kind string) bool {
	c := find(list, kind)
	return c != nil && c.Status == metav1.ConditionTrue
}

// setConditions writes conditions that differ from what stands there.
func setConditions(u *unstructured.Unstructured, want []metav1.Condition, now time.Time) bool {
	list := conditionsOf(u)
	changed := false
	for _, c := range want {
		c.ObservedGeneration = u.GetGeneration()
		c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		old := find(list, c.Type)
		if old == nil {
			list, changed = append(list, c), true
			continue
		}
		if old.Status == c.Status && old.Reason == c.Reason && old.Message == c.Message {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		*old, changed = c, true
	}
	if !changed {
		return false
	}
	items := make([]any, len(list))
	for i := range list {
		m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&list[i])
		if err != nil {
			return false // plain API types always convert
		}
		items[i] = m
	}
	return unstructured.SetNestedSlice(u.Object, items, "status", "conditions") == nil
}

func condition(kind string, ok bool, reason, message string) metav1.Condition {
	c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	if ok {
		c.Status = metav1.ConditionTrue
	}
	return c
}
