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

// Reason says what came of a pod, or why it stays.
type Reason string

const (
	// Evicted: the API server took the eviction.
	Evicted Reason = "Evicted"
	// Gone: the pod, or the pod of this UID, does not exist any more.
	Gone Reason = "Gone"
	// TooManyPDBs: more than one budget selects the pod; the Eviction API refuses
	// such pods for ever.
	TooManyPDBs Reason = "TooManyPDBs"
	// PDBZero: the budget is up to date, all its pods are healthy, and it allows
	// no disruption: nothing will change unless somebody acts.
	PDBZero Reason = "PDBZero"
	// PDBTransient: the budget allows none now, and may soon.
	PDBTransient Reason = "PDBTransient"
	// UnhealthyPods: the budget has fewer healthy pods than it wants.
	UnhealthyPods Reason = "UnhealthyPods"
	// NamespaceTerminating: the namespace is being deleted and takes its pods
	// along.
	NamespaceTerminating Reason = "NamespaceTerminating"
	// Throttled: the API server is busy.
	Throttled Reason = "Throttled"
	// Webhook: an admission webhook refused.
	Webhook Reason = "Webhook"
	// EvictionFailed is any other answer.
	EvictionFailed Reason = "EvictionFailed"
	// Unmanaged: no controller would make the pod again.
	Unmanaged Reason = "Unmanaged"
	// DaemonSetGone: the pod's DaemonSet does not exist.
	DaemonSetGone Reason = "DaemonSetGone"
	// DoNotDisrupt: an annotation protects the pod.
	DoNotDisrupt Reason = "DoNotDisrupt"
)

// Answers are the reasons that an eviction can be answered with.
var Answers = []Reason{Evicted, Gone, TooManyPDBs, PDBZero, PDBTransient, UnhealthyPods, NamespaceTerminating, Throttled, Webhook, EvictionFailed}

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
func classifyAnswer(pod *corev1.Pod, pdbs []*policyv1.PodDisruptionBudget, err error) Answer {
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
		a.Reason, a.PDB = TooManyPDBs, names(selecting(pod, pdbs))
		a.Message = "more than one PodDisruptionBudget selects the pod (" + a.PDB + "), and the Eviction API refuses that: leave one of them"
	case budget:
		a.refusedBy(pod, selecting(pod, pdbs), cause.Message)
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

// refusedBy tells the three kinds of a budget's refusal apart.
func (a *Answer) refusedBy(pod *corev1.Pod, selecting []*policyv1.PodDisruptionBudget, said string) {
	a.Message, a.Reason = said, PDBTransient
	if rest, ok := strings.CutPrefix(said, "The disruption budget "); ok {
		name, _, _ := strings.Cut(rest, " ")
		a.PDB = pod.Namespace + "/" + name
	}
	if strings.Contains(said, "still being processed") || len(selecting) != 1 {
		return
	}
	b := selecting[0]
	a.PDB = b.Namespace + "/" + b.Name
	s := b.Status
	a.Message = fmt.Sprintf("PodDisruptionBudget %s allows %d disruptions: %d of %d pods are healthy, %d must be",
		a.PDB, s.DisruptionsAllowed, s.CurrentHealthy, s.ExpectedPods, s.DesiredHealthy)
	switch {
	case s.ObservedGeneration < b.Generation:
	case s.CurrentHealthy < s.DesiredHealthy:
		a.Reason = UnhealthyPods
	case s.DisruptionsAllowed == 0 && s.ExpectedPods > 0 && s.CurrentHealthy >= s.ExpectedPods && len(s.DisruptedPods) == 0:
		a.Reason = PDBZero
	}
}
