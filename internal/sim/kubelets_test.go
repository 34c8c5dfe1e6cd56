package sim

import (
	"net/url"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// Who takes back the condition that he has applied leaves those of the kubelet, as the API
// server would, which knows whose they are. A Node without one was NotReady for good.
func TestWhatAKubeletSaysIsItsOwn(t *testing.T) {
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	api, err := model.New(scheme, crd)
	if err != nil {
		t.Fatal(err)
	}
	api.Create(newNode(okesim.Instance{PrivateIP: "n", MemoryGB: 16, OCPUs: 2}, metav1.Now()))
	for _, c := range [][3]string{
		{"", "application/merge-patch+json", `{"metadata":{"annotations":{"k":"v"}}}`},
		{"/status", "application/apply-patch+yaml", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"conditions":[{"type":"Mine","status":"True"}]}}`},
		{"/status", "application/apply-patch+yaml", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{}}`},
	} {
		query := url.Values{"fieldManager": {"one"}}
		if c[0] != "" {
			query.Set("force", "true")
		}
		r := api.Serve(&model.Request{Method: "PATCH", Path: "/api/v1/nodes/n" + c[0], Query: query, ContentType: c[1], Body: []byte(c[2])})
		if r.Status != 200 {
			t.Fatalf("%s: %d %s", c[2], r.Status, r.Body)
		}
	}
	n := api.Find("nodes", "", "n").(*corev1.Node)
	has := func(c corev1.NodeConditionType) bool {
		return slices.ContainsFunc(n.Status.Conditions, func(x corev1.NodeCondition) bool {
			return x.Type == c && (c == "Mine" || !x.LastTransitionTime.IsZero())
		})
	}
	if has("Mine") || !has(corev1.NodeReady) || !has(corev1.NodeDiskPressure) || len(n.Status.Conditions) != 4 {
		t.Errorf("left are %+v", n.Status.Conditions)
	}
}
