package buffer

import (
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	resourcehelper "k8s.io/component-helpers/resource"
)

// StrategyActive is the strategy of a CapacityBuffer that is served: room on
// nodes that run. Those of other strategies are somebody else's.
const StrategyActive = "buffer.x-k8s.io/active-capacity"

const (
	conditionReady        = "ReadyForProvisioning"
	conditionProvisioning = "Provisioning"
)

// readBuffer is the wish of a CapacityBuffer; ok is false when it is none of
// ours.
func readBuffer(u *unstructured.Unstructured, o Objects) (w Wish, ok bool) {
	strategy, _, _ := unstructured.NestedString(u.Object, "spec", "provisioningStrategy")
	if strategy != "" && strategy != StrategyActive || u.GetDeletionTimestamp() != nil {
		return Wish{}, false
	}
	w = Wish{Kind: "CapacityBuffer", Namespace: u.GetNamespace(), Name: u.GetName(), object: u}
	t, n, err := chunks(u, o)
	w.Err = err
	if err == nil {
		w.Pods = virtual(w.ID(), w.Namespace, t, 0, n, nil)
	}
	w.status = func(out Outcome, _ time.Time) status {
		s := status{conditions: bufferConditions(w.Err, out)}
		if w.Err == nil {
			s.fields = map[string]any{"replicas": int64(n), "provisioningStrategy": StrategyActive}
		}
		return s
	}
	return w, true
}

func bufferConditions(err error, o Outcome) []metav1.Condition {
	if err != nil {
		return []metav1.Condition{condition(conditionReady, false, "NotReady", err.Error())}
	}
	ready := condition(conditionReady, true, "Ready", "the buffer is served")
	switch {
	case o.Not > 0:
		return []metav1.Condition{ready, condition(conditionProvisioning, false, "CapacityIsNotFound", o.notFound())}
	case o.Coming > 0:
		return []metav1.Condition{ready, condition(conditionProvisioning, true, "CapacityIsComing", "nodes are on their way")}
	}
	return []metav1.Condition{ready, condition(conditionProvisioning, true, "CapacityIsThere", "all of the buffer is free on nodes that run")}
}

// chunks is what the buffer consists of: a pod's template and how often.
//
// replicas is a number, percentage a share of the workload's replicas rounded
// up, 1 at least; of both the larger counts. limits bound the sum of requests;
// without a number the buffer is as large as they allow.
func chunks(u *unstructured.Unstructured, o Objects) (*corev1.PodTemplateSpec, int, error) {
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	template, _, _ := unstructured.NestedString(spec, "podTemplateRef", "name")
	kind, _, _ := unstructured.NestedString(spec, "scalableRef", "kind")
	name, _, _ := unstructured.NestedString(spec, "scalableRef", "name")
	var t *corev1.PodTemplateSpec
	var err error
	workload := 0
	switch {
	case template != "" && name != "":
		return nil, 0, fmt.Errorf("read spec: podTemplateRef and scalableRef exclude each other")
	case template != "":
		t, err = o.Template(u.GetNamespace(), template)
	case name != "":
		t, workload, err = o.Workload(kind, u.GetNamespace(), name)
	default:
		return nil, 0, fmt.Errorf("read spec: there is neither a podTemplateRef nor a scalableRef")
	}
	if err != nil {
		return nil, 0, err
	}
	n, given, err := replicas(spec, workload, name != "")
	if err != nil {
		return nil, 0, err
	}
	most, limited, err := within(spec, t)
	switch {
	case err != nil:
		return nil, 0, err
	case !given && !limited:
		return nil, 0, fmt.Errorf("read spec: there is none of replicas, percentage and limits")
	case !given || limited && most < n:
		n = most
	}
	if n > MaxPods {
		return nil, 0, fmt.Errorf("read spec: %d pods, %d at most", n, MaxPods)
	}
	return t, n, nil
}

func replicas(spec map[string]any, workload int, scalable bool) (n int, given bool, err error) {
	if v, ok := spec["replicas"]; ok {
		r, isNumber := number(v)
		if !isNumber || r < 0 {
			return 0, false, fmt.Errorf("read spec.replicas: %v is not a number of 0 or more", v)
		}
		n, given = r, true
	}
	if v, ok := spec["percentage"]; ok {
		r, isNumber := number(v)
		if !isNumber || r < 0 || r > 100_000 {
			return 0, false, fmt.Errorf("read spec.percentage: %v is not a number of 0 or more", v)
		}
		if !scalable {
			return 0, false, fmt.Errorf("read spec.percentage: it needs a scalableRef")
		}
		share := int(math.Ceil(float64(workload) * float64(r) / 100))
		if r > 0 {
			share = max(1, share)
		}
		n, given = max(n, share), true
	}
	return n, given, nil
}

// within is how many pods of the template the limits allow.
func within(spec map[string]any, t *corev1.PodTemplateSpec) (n int, limited bool, err error) {
	limits, found, err := unstructured.NestedMap(spec, "limits")
	if !found || err != nil {
		return 0, false, err
	}
	want := resourcehelper.PodRequests(&corev1.Pod{Spec: t.Spec}, resourcehelper.PodResourcesOptions{})
	n = MaxPods
	for name, v := range limits {
		q, err := resource.ParseQuantity(fmt.Sprint(v))
		if err != nil || q.Sign() < 0 {
			return 0, false, fmt.Errorf("read spec.limits.%s: %v is not a quantity", name, v)
		}
		each := want[corev1.ResourceName(name)]
		if each.IsZero() {
			continue
		}
		n, limited = min(n, int(q.AsApproximateFloat64()/each.AsApproximateFloat64()+1e-9)), true
	}
	if !limited && len(limits) > 0 {
		return 0, false, fmt.Errorf("read spec.limits: the pods ask for none of it")
	}
	return n, limited, nil
}
