package sim

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tidemill/tidemill/internal/sim/model"
)

// Who lies in wait must know what for: a kind of request that is not recognized is
// waited for in vain, and the bugs that it would find live on.
func TestKindsOfRequests(t *testing.T) {
	kube := func(method, path, query, body string) *op {
		q, _ := url.ParseQuery(query)
		return &op{kube: &model.Request{Method: method, Path: path, Query: q}, body: []byte(body)}
	}
	cloud := func(method, path, body string) *op {
		r, _ := http.NewRequest(method, "http://oci"+path, nil)
		return &op{cloud: r, body: []byte(body)}
	}
	kinds := map[string]func(*op) bool{"looks at a node": looksAtNode, "looks at its pods": looksAtPods, "cordons": cordons, "evicts": evicts, "resizes": resizesPool, "deletes": deletesMachine}
	for want, o := range map[string]*op{
		"looks at a node":   kube("GET", "/api/v1/nodes/10.0.0.7", "", ""),
		"looks at its pods": kube("GET", "/api/v1/pods", "fieldSelector=spec.nodeName%3D10.0.0.7", ""),
		"cordons":           kube("PATCH", "/api/v1/nodes/10.0.0.7", "", `{"metadata":{},"spec":{"unschedulable":true}}`),
		"evicts":            kube("POST", "/api/v1/namespaces/shop/pods/web-1/eviction", "", "{}"),
		"resizes":           cloud("PUT", "/20180222/nodePools/ocid1.nodepool.x", `{"nodeConfigDetails":{"size":4}}`),
		"deletes":           cloud("DELETE", "/20180222/nodePools/ocid1.nodepool.x/node/ocid1.instance.y", ""),
	} {
		for name, is := range kinds {
			if is(o) != (name == want) {
				t.Errorf("%q: %q is %v", want, name, is(o))
			}
		}
	}
	for _, o := range []*op{
		kube("GET", "/api/v1/nodes", "watch=true", ""), kube("GET", "/api/v1/pods", "", ""), kube("GET", "/api/v1/pods", "fieldSelector=status.phase%3DFailed", ""),
		kube("PATCH", "/api/v1/nodes/10.0.0.7", "", `{"spec":{"unschedulable":null}}`), cloud("PUT", "/20180222/nodePools/ocid1.nodepool.x", `{"kubernetesVersion":"v1.34.2"}`), {},
	} {
		for name, is := range kinds {
			if is(o) {
				t.Errorf("%+v is said to be one that %s", o, name)
			}
		}
	}
}
