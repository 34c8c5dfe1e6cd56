package buffer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Classes of ProvisioningRequests that are served; those of other names are
// somebody else's.
const (
	ClassCheck  = "check-capacity.autoscaling.x-k8s.io"
	ClassAtomic = "best-effort-atomic-scale-up.autoscaling.x-k8s.io"
)

// Conditions of a ProvisioningRequest.
const (
	conditionAccepted    = "Accepted"
	conditionProvisioned = "Provisioned"
	conditionFailed      = "Failed"
	conditionExpired     = "BookingExpired"
	conditionRevoked     = "CapacityRevoked"
)

// Booking is how long room that was found is kept for the request's pods.
const Booking = 10 * time.Minute

// Annotations by which a pod says which request it is of, the present one and
// the one before it.
var consumeKeys = []string{"autoscaling.x-k8s.io/consume-provisioning-request", "cluster-autoscaler.kubernetes.io/consume-provisioning-request"}

// consumers counts the pods of each request, by "namespace/name".
func consumers(pods []*corev1.Pod) map[string]int {
	out := map[string]int{}
	for _, pod := range pods {
		for _, key := range consumeKeys {
			if name := pod.Annotations[key]; name != "" {
				out[pod.Namespace+"/"+name]++
				break
			}
		}
	}
	return out
}

// request is a ProvisioningRequest as far as it concerns us.
type request struct {
	class      string
	conditions []metav1.Condition
	validUntil time.Time // zero for ever
	noRetry    bool
}

// readRequest is the wish of a request; ok is false when it is none of ours, or
// over.
func readRequest(u *unstructured.Unstructured, o Objects, consumed map[string]int, now time.Time) (w Wish, ok bool) {
	r := request{conditions: conditionsOf(u)}
	r.class, _, _ = unstructured.NestedString(u.Object, "spec", "provisioningClassName")
	over := isTrue(r.conditions, conditionFailed) || isTrue(r.conditions, conditionExpired) || isTrue(r.conditions, conditionRevoked)
	if r.class != ClassCheck && r.class != ClassAtomic || over || u.GetDeletionTimestamp() != nil {
		return Wish{}, false
	}
	w = Wish{Kind: "ProvisioningRequest", Namespace: u.GetNamespace(), Name: u.GetName(), object: u}
	if err := r.parameters(u); err != nil {
		w.Err = err
	} else if w.Pods, w.Err = r.pods(u, w.ID(), o, consumed[w.Namespace+"/"+w.Name]); w.Err != nil {
		w.Pods = nil
	}
	if r.expired(now) {
		w.Pods = nil
	}
	w.status = func(out Outcome, now time.Time) status { return status{conditions: r.next(w.Err, out, now)} }
	return w, true
}

// parameters are read whatever their case: tools differ in it.
func (r *request) parameters(u *unstructured.Unstructured) error {
	m, _, err := unstructured.NestedStringMap(u.Object, "spec", "parameters")
	if err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	for key, value := range m {
		switch strings.ToLower(key) {
		case "validuntilseconds":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil || seconds <= 0 || seconds > 1<<31 {
				return fmt.Errorf("read parameter %s: %q is not a number of seconds", key, value)
			}
			r.validUntil = u.GetCreationTimestamp().Add(time.Duration(seconds) * time.Second)
		case "noretry":
			r.noRetry = strings.EqualFold(value, "true")
		}
	}
	return nil
}

// pods are those of all pod sets, less those that exist by now.
func (r *request) pods(u *unstructured.Unstructured, owner string, o Objects, exist int) ([]*corev1.Pod, error) {
	sets, found, err := unstructured.NestedSlice(u.Object, "spec", "podSets")
	if err != nil || !found || len(sets) == 0 {
		return nil, fmt.Errorf("read spec.podSets: there are none")
	}
	marks := map[string]string{annotationGroup: owner}
	if r.class == ClassCheck {
		marks[annotationCheck] = checkAsks
		if isTrue(r.conditions, conditionProvisioned) {
			marks[annotationCheck] = checkKept // the room is promised
		}
	}
	var out []*corev1.Pod
	for i, item := range sets {
		set, _ := item.(map[string]any)
		count, ok := number(set["count"])
		if !ok || count < 1 || count > MaxPods {
			return nil, fmt.Errorf("read spec.podSets[%d]: count %v is not a number from 1 to %d", i, set["count"], MaxPods)
		}
		name, _, _ := unstructured.NestedString(set, "podTemplateRef", "name")
		if name == "" {
			return nil, fmt.Errorf("read spec.podSets[%d]: podTemplateRef has no name", i)
		}
		t, err := o.Template(u.GetNamespace(), name)
		if err != nil {
			return nil, err
		}
		gone := min(exist, count)
		exist -= gone
		out = append(out, virtual(owner, u.GetNamespace(), t, len(out), count-gone, marks)...)
	}
	return out, nil
}

// number reads an integer as JSON and YAML decoders leave it.
func number(v any) (int, bool) {
	switch n := v.(type) {
	case int64:
		return int(n), n >= -1<<31 && n < 1<<31
	case float64:
		return int(n), n == float64(int(n))
	}
	return 0, false
}

// expired is whether room that was found has been kept long enough.
func (r *request) expired(now time.Time) bool {
	c := find(r.conditions, conditionProvisioned)
	return c != nil && c.Status == metav1.ConditionTrue && now.Sub(c.LastTransitionTime.Time) >= Booking
}

// next is what the request is told.
func (r *request) next(err error, o Outcome, now time.Time) []metav1.Condition {
	provisioned := isTrue(r.conditions, conditionProvisioned)
	switch {
	case r.expired(now):
		return []metav1.Condition{condition(conditionExpired, true, "BookingExpired", fmt.Sprintf("the room was kept for %s", Booking))}
	case !provisioned && !r.validUntil.IsZero() && now.After(r.validUntil):
		return []metav1.Condition{condition(conditionFailed, true, "Expired", "no room was found while the request was valid")}
	case err != nil:
		return []metav1.Condition{condition(conditionAccepted, false, "NotAccepted", err.Error())}
	case provisioned && o.Not > 0:
		return []metav1.Condition{condition(conditionRevoked, true, "CapacityRevoked", fmt.Sprintf("the room for %d pods is gone: %s", o.Not, o.Why))}
	case provisioned:
		return nil
	}
	accepted := condition(conditionAccepted, true, "Accepted", "the request is served")
	switch {
	case o.Not > 0 && r.noRetry:
		return []metav1.Condition{accepted, condition(conditionFailed, true, "CapacityIsNotFound", o.notFound())}
	case o.Not > 0:
		return []metav1.Condition{accepted, condition(conditionProvisioned, false, "CapacityIsNotFound", o.notFound())}
	case o.Coming > 0:
		return []metav1.Condition{accepted, condition(conditionProvisioned, false, "CapacityIsComing", fmt.Sprintf("nodes for %d pods are on their way", o.Coming))}
	}
	return []metav1.Condition{accepted, condition(conditionProvisioned, true, "CapacityIsFound", fmt.Sprintf("there is room for all pods, kept for %s", Booking))}
}

func (o Outcome) notFound() string {
	return fmt.Sprintf("no room for %d of %d pods: %s", o.Not, o.Not+o.Coming+o.There, o.Why)
}
