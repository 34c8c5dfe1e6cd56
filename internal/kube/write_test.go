package kube_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// server is a client that keeps objects in memory and counts patches.
func server(t *testing.T, patches *int, objects ...client.Object) client.Client {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Pool{}, &corev1.Node{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
				*patches++
				return c.Patch(ctx, o, p, opts...)
			},
		}).Build()
}

func get[T client.Object](t *testing.T, c client.Client, name string, into T) T {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func TestPatchNode(t *testing.T) {
	var patches int
	c := server(t, &patches, fixture())
	n := get(t, c, "n1", &corev1.Node{})
	before := n.DeepCopy()

	if err := kube.PatchNode(t.Context(), c, n, func(n *corev1.Node) { n.Spec.Unschedulable = false; kube.RemoveTaint(n, "none") }); err != nil {
		t.Fatal(err)
	}
	if patches != 0 {
		t.Errorf("%d patches sent for no change", patches)
	}
	cordon := func(n *corev1.Node) { kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle})) }
	if err := kube.PatchNode(t.Context(), c, n, cordon); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, n); diff != "" {
		t.Errorf("the caller's node was changed:\n%s", diff)
	}
	if got := get(t, c, "n1", &corev1.Node{}); !got.Spec.Unschedulable || got.Annotations[v1alpha1.AnnotationDisruption] == "" {
		t.Errorf("the node was not changed: %v", got)
	}
	// n is old now: whoever decided on it has to look again.
	if err := kube.PatchNode(t.Context(), c, n, cordon); !apierrors.IsConflict(err) {
		t.Errorf("patch of an old node: %v, want a conflict", err)
	}
}

func TestApplyNodeCondition(t *testing.T) {
	var patches int
	n := fixture()
	n.ResourceVersion = ""
	c := server(t, &patches, n)
	apply := func(status corev1.ConditionStatus, message string) corev1.NodeCondition {
		t.Helper()
		at := get(t, c, "n1", &corev1.Node{})
		err := kube.ApplyNodeCondition(t.Context(), c, at, v1alpha1.OwnerDoctor,
			corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem, Status: status, Reason: "Test", Message: message})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range get(t, c, "n1", &corev1.Node{}).Status.Conditions {
			if got.Type == v1alpha1.NodeConditionProblem {
				return got
			}
		}
		t.Fatal("no condition")
		return corev1.NodeCondition{}
	}
	// Every offset once, so that the cut falls into each byte of a character.
	for offset := range 4 {
		got := apply(corev1.ConditionTrue, strings.Repeat("x", offset)+strings.Repeat("磨", 400))
		if !utf8.ValidString(got.Message) || len(got.Message) > 512 || len(got.Message) < 500 || !strings.HasSuffix(got.Message, "磨...") {
			t.Errorf("offset %d: message of %d bytes, valid %v: %q", offset, len(got.Message), utf8.ValidString(got.Message), got.Message)
		}
	}
	if got := apply(corev1.ConditionTrue, "short"); got.Message != "short" {
		t.Errorf("message = %q", got.Message)
	}
}

func TestApplyNodeConditionKeepsTheTransitionTime(t *testing.T) {
	var patches int
	old := metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
	n := fixture()
	n.ResourceVersion = ""
	n.Status.Conditions = []corev1.NodeCondition{{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionTrue, LastTransitionTime: old}}
	c := server(t, &patches, n)
	for _, test := range []struct {
		status corev1.ConditionStatus
		stands bool
	}{{corev1.ConditionTrue, true}, {corev1.ConditionFalse, false}} {
		cond := corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem, Status: test.status}
		if err := kube.ApplyNodeCondition(t.Context(), c, n, v1alpha1.OwnerDoctor, cond); err != nil {
			t.Fatal(err)
		}
		got := get(t, c, "n1", &corev1.Node{}).Status.Conditions
		if len(got) != 1 || got[0].LastTransitionTime.Time.Equal(old.Time) != test.stands {
			t.Errorf("to %s: conditions %v, want transition time kept: %v", test.status, got, test.stands)
		}
	}
}

func TestDryRun(t *testing.T) {
	var seen string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Method + " " + r.URL.String() }))
	defer s.Close()
	c := &http.Client{Transport: kube.DryRun(http.DefaultTransport)}
	for _, test := range []struct{ method, path, want string }{
		{"GET", "/api/v1/nodes?limit=1", "GET /api/v1/nodes?limit=1"},
		{"PATCH", "/api/v1/nodes/n?fieldManager=x", "PATCH /api/v1/nodes/n?dryRun=All&fieldManager=x"},
		{"POST", "/api/v1/namespaces/d/pods/p/eviction", "POST /api/v1/namespaces/d/pods/p/eviction?dryRun=All"},
		{"DELETE", "/api/v1/nodes/n", "DELETE /api/v1/nodes/n?dryRun=All"},
		{"PUT", "/api/v1/nodes/n?dryRun=", "PUT /api/v1/nodes/n?dryRun=All"},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, s.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if seen != test.want {
			t.Errorf("%s %s was sent as %s, want %s", test.method, test.path, seen, test.want)
		}
		if r.URL.String() != s.URL+test.path {
			t.Errorf("the caller's request was changed: %s", r.URL)
		}
	}
}
