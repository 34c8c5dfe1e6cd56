package drain

import (
	"errors"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupResource{Resource: "pods"}

// budget is a PodDisruptionBudget that selects app=web.
func budget(name string, s policyv1.PodDisruptionBudgetStatus) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Generation: 1},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     s,
	}
}

// refused is the Eviction API's 429 with a budget's cause.
func refused(after int, cause string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", after)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: cause})
	return err
}

// withCause adds a status cause to an error.
func withCause(err *apierrors.StatusError, cause metav1.CauseType) error {
	if err.ErrStatus.Details == nil {
		err.ErrStatus.Details = &metav1.StatusDetails{}
	}
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: cause})
	return err
}

func TestClassifyAnswer(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}}}
	full := policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, ExpectedPods: 3, CurrentHealthy: 3, DesiredHealthy: 3}
	replacing := full
	replacing.DisruptedPods = map[string]metav1.Time{"web-0": metav1.Now()}
	unhealthy := full
	unhealthy.CurrentHealthy = 1
	behind := full
	behind.ObservedGeneration = 0
	bare500 := &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 500,
		Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."}}
	needs3 := "The disruption budget web needs 3 healthy pods and has 3 currently"
	one := func(s policyv1.PodDisruptionBudgetStatus) []*policyv1.PodDisruptionBudget {
		return []*policyv1.PodDisruptionBudget{budget("web", s)}
	}
	for name, c := range map[string]struct {
		err   error
		pdbs  []*policyv1.PodDisruptionBudget
		want  Reason
		pdb   string
		after time.Duration
	}{
		"granted":                    {nil, nil, Evicted, "", 0},
		"pod gone":                   {apierrors.NewNotFound(pods, "web-1"), nil, Gone, "", 0},
		"another pod of this name":   {apierrors.NewConflict(pods, "web-1", errors.New("UID")), nil, Gone, "", 0},
		"two budgets":                {bare500, []*policyv1.PodDisruptionBudget{budget("a", full), budget("b", full)}, TooManyPDBs, "shop/a, shop/b", 0},
		"stuck budget":               {refused(0, needs3), one(full), PDBZero, "shop/web", 0},
		"others are being replaced":  {refused(0, needs3), one(replacing), PDBTransient, "shop/web", 0},
		"unhealthy pods":             {refused(0, needs3), one(unhealthy), UnhealthyPods, "shop/web", 0},
		"budget is behind":           {refused(0, needs3), one(behind), PDBStale, "shop/web", 0},
		"still being processed":      {refused(10, "The disruption budget web is still being processed by the server."), one(full), PDBStale, "shop/web", 10 * time.Second},
		"budget not in our cache":    {refused(0, needs3), nil, PDBTransient, "shop/web", 0},
		"throttled, no budget cause": {apierrors.NewTooManyRequests("too many requests", 3), one(full), Throttled, "", 3 * time.Second},
		"namespace terminating":      {withCause(apierrors.NewForbidden(pods, "web-1", errors.New("being terminated")), corev1.NamespaceTerminatingCause), nil, NamespaceTerminating, "", 0},
		"forbidden":                  {apierrors.NewForbidden(pods, "web-1", errors.New("no")), nil, EvictionFailed, "", 0},
		"webhook":                    {apierrors.NewGenericServerResponse(http.StatusForbidden, "create", pods, "web-1", `admission webhook "guard.example.com" denied the request: not now`, 0, true), nil, Webhook, "", 0},
		"broken connection":          {errors.New("EOF"), nil, EvictionFailed, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := classifyAnswer(pod, Around{PDBs: c.pdbs}, c.err)
			if got.Reason != c.want || got.PDB != c.pdb || got.RetryAfter != c.after || got.Pod != "shop/web-1" {
				t.Errorf("got %s, budget %q, after %s; want %s, %q, %s", got.Reason, got.PDB, got.RetryAfter, c.want, c.pdb, c.after)
			}
			if c.err != nil && got.Message == "" {
				t.Error("no message")
			}
		})
	}
}
