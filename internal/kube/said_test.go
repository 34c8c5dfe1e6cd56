package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// What is applied goes out whole, a refusal comes back, and what the API server says
// otherwise is left unread.
func TestApplyPoolStatusSaysAndDoesNotListen(t *testing.T) {
	var got []string
	answer, code := `{"kind":7}`, http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), string(body)}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("Pool"), meta.RESTScopeRoot)
	c, err := client.New(&rest.Config{Host: server.URL}, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers", ResourceVersion: "5"}}
	part := struct {
		Conditions []string `json:"conditions"`
	}{[]string{"a"}}
	if err := ApplyPoolStatus(t.Context(), c, p, "me", &part, true); err != nil {
		t.Error(err)
	}
	want := []string{"PATCH", "/apis/tidemill.dev/v1alpha1/pools/workers/status", "fieldManager=me&force=true", "application/apply-patch+yaml",
		`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"workers","resourceVersion":"5"},"status":{"conditions":["a"]}}`}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("%q, want %q", got, want)
			break
		}
	}
	answer, code = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"changed"}`, http.StatusConflict
	if err := ApplyPoolStatus(t.Context(), c, p, "me", &part, true); !apierrors.IsConflict(err) {
		t.Errorf("a conflict is %v", err)
	}
}
