package drain

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Answer is what the Eviction API said about a pod.
type Answer struct {
	Block
	// RetryAfter is how long the server asks to wait, 0 if it does not say.
	RetryAfter time.Duration
}

// Evict asks for one eviction and returns at once.
type Evict func(context.Context, *policyv1.Eviction) error

// evictor asks without client-go's own retries: on "still being processed" the
// server says to come back in 10 seconds, and the client would sleep through
// ten such answers inside the call.
func evictor(client kubernetes.Interface) Evict {
	rc, ok := client.PolicyV1().RESTClient().(*rest.RESTClient)
	if !ok || rc == nil { // a client that does not speak HTTP has no retries either
		return func(ctx context.Context, e *policyv1.Eviction) error {
			return client.PolicyV1().Evictions(e.Namespace).Evict(ctx, e)
		}
	}
	return func(ctx context.Context, e *policyv1.Eviction) error {
		return rc.Post().AbsPath("/api/v1").Namespace(e.Namespace).Resource("pods").Name(e.Name).
			SubResource("eviction").Body(e).MaxRetries(0).Do(ctx).Error()
	}
}

// classifyAnswer says what the API server's answer means. The budgets add the
// numbers; without them the server's own words are all there is.
func classifyAnswer(pod *corev1.Pod, around Around, err error) Answer {
	a := Answer{Block: Block{Pod: key(pod), Reason: Evicted}}
	if err == nil {
		return a
	}
	a.Message = err.Error()
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		a.RetryAfter = time.Duration(seconds) * time.Second
	}
	cause, budget := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		a.Reason = Gone
	case strings.Contains(a.Message, "more than one PodDisruptionBudget"):
		// A bare 500 with neither reason nor cause: its text is all there is.
		a.Reason, a.PDB = TooManyPDBs, names(selecting(pod, around.PDBs))
		a.Message = "more than one PodDisruptionBudget selects the pod (" + a.PDB + "), and the Eviction API refuses that: leave one of them"
	case budget:
		a.refusedBy(pod, around, cause.Message)
	case apierrors.IsTooManyRequests(err):
		a.Reason = Throttled
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		a.Reason = NamespaceTerminating
	case strings.Contains(a.Message, "admission webhook"):
		a.Reason = Webhook
	default:
		a.Reason = EvictionFailed
	}
	return a
}

// refusedBy tells the kinds of a budget's refusal apart.
func (a *Answer) refusedBy(pod *corev1.Pod, around Around, said string) {
	a.Message, a.Reason = said, PDBTransient
	if rest, ok := strings.CutPrefix(said, "The disruption budget "); ok {
		name, _, _ := strings.Cut(rest, " ")
		a.PDB = pod.Namespace + "/" + name
	}
	if strings.Contains(said, "still being processed") {
		a.Reason = PDBStale
		return
	}
	budgets := selecting(pod, around.PDBs)
	if len(budgets) != 1 {
		return
	}
	b := budgets[0]
	a.PDB = b.Namespace + "/" + b.Name
	a.Message = numbers(b)
	a.Reason = kind(b)
	if a.Reason == PDBZero || a.Reason == PDBStale {
		return
	}
	if peer := around.peer(b); peer != nil {
		a.Reason = PeerDrain
		a.Message += fmt.Sprintf("; pod %s is leaving node %s, which is being emptied too", key(peer), peer.Spec.NodeName)
	}
}

// numbers are what a budget says of itself.
func numbers(b *policyv1.PodDisruptionBudget) string {
	s := b.Status
	return fmt.Sprintf("PodDisruptionBudget %s/%s allows %d disruptions: %d of %d pods are healthy, %d must be",
		b.Namespace, b.Name, s.DisruptionsAllowed, s.CurrentHealthy, s.ExpectedPods, s.DesiredHealthy)
}

// kind is why a budget that refuses does so, as far as its own status tells.
func kind(b *policyv1.PodDisruptionBudget) Reason {
	s := b.Status
	switch {
	case s.ObservedGeneration < b.Generation:
		return PDBStale
	case s.CurrentHealthy < s.DesiredHealthy:
		return UnhealthyPods
	case s.DisruptionsAllowed == 0 && s.ExpectedPods > 0 && s.CurrentHealthy >= s.ExpectedPods && len(s.DisruptedPods) == 0:
		return PDBZero
	}
	return PDBTransient
}

// peer is a pod of the budget that is leaving another node, nil if none is: the first by
// name, so that the answer is the same at each look.
func (a Around) peer(b *policyv1.PodDisruptionBudget) *corev1.Pod {
	var first *corev1.Pod
	for _, p := range a.Peers {
		if p.DeletionTimestamp != nil && Selects(b, p) && (first == nil || key(p) < key(first)) {
			first = p
		}
	}
	return first
}
