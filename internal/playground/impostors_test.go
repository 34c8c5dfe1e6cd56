package playground

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/sim"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// What hostile people plant and scrawl in the simulation a real API server takes, as
// the model does; and where the one refuses, so does the other.
func TestImpostorsAreAdmitted(t *testing.T) {
	_, truth := controlPlaneOnly(t)
	crd := poolCRD(t)
	truth.prepare(t, crd)
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	doors := map[string]door{"kube-apiserver": truth, "the model": newModel(t, scheme, crd)}
	ask := func(want int, what string, r model.Request) {
		t.Helper()
		for name, d := range doors {
			if status, body := d.do(r); status != want {
				t.Errorf("%s: %s: %d, want %d: %.600s", name, what, status, want, body)
			}
		}
	}
	post := func(path string, o any) model.Request {
		body, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return model.Request{User: "hostile", Method: "POST", Path: path, Body: body, ContentType: "application/json", Query: url.Values{}}
	}
	named := func(name string) map[string]any { return map[string]any{"metadata": map[string]any{"name": name}} }
	ask(201, "namespace", post("/api/v1/namespaces", named("hostile")))
	ask(201, "node", post("/api/v1/nodes", named("victim")))
	if status, body := truth.do(post("/api/v1/namespaces/hostile/serviceaccounts", named("default"))); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	for _, o := range sim.Impostors(sim.Victim{Node: "victim", Instance: "ocid1.instance.oc1.iad.victim", Pool: "ocid1.nodepool.oc1.iad.pool"}, 7) {
		ask(201, fmt.Sprintf("%T %s", o, o.GetName()), post(collection(t, scheme, o), o))
	}
	for _, text := range sim.Scrawls() {
		ask(200, fmt.Sprintf("annotation %.60q", text), scrawl(t, "victim", text))
	}
	brim := 256<<10 - len("tidemill.dev/cycle")
	ask(200, "annotations to the brim", scrawl(t, "victim", strings.Repeat("x", brim)))
	ask(422, "more than that", scrawl(t, "victim", strings.Repeat("x", brim+1)))
}

func scrawl(t *testing.T, node, text string) model.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"tidemill.dev/cycle": text}}})
	if err != nil {
		t.Fatal(err)
	}
	return model.Request{User: "hostile", Method: "PATCH", Path: "/api/v1/nodes/" + node, Body: body, ContentType: "application/merge-patch+json", Query: url.Values{}}
}

// collection is where an object is created; its kind is written into it.
func collection(t *testing.T, scheme *runtime.Scheme, o client.Object) string {
	t.Helper()
	kind, err := apiutil.GVKForObject(o, scheme)
	if err != nil {
		t.Fatal(err)
	}
	o.GetObjectKind().SetGroupVersionKind(kind)
	mapping, err := model.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		t.Fatal(err)
	}
	path := "/apis/" + kind.Group + "/" + kind.Version
	if kind.Group == "" {
		path = "/api/" + kind.Version
	}
	if o.GetNamespace() != "" {
		path += "/namespaces/" + o.GetNamespace()
	}
	return path + "/" + mapping.Resource.Resource
}
