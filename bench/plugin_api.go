package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/autoscaler"
)

// nodeAPI is as much of an API server as the plugin reads: Nodes as large as those
// of a cluster, no Pools, no pods. Nothing ever changes in it.
type nodeAPI struct{ nodes []autoscaler.Node }

// ServeHTTP answers discovery, lists, and watches that begin with the list.
func (a *nodeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resources := func(group string, names ...metav1.APIResource) any {
		return metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: group, APIResources: names}
	}
	version := metav1.GroupVersionForDiscovery{GroupVersion: "tidemill.dev/v1alpha1", Version: "v1alpha1"}
	switch r.URL.Path {
	case "/version":
		answer(w, map[string]string{"gitVersion": "v1.36.3"})
	case "/api":
		answer(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case "/apis":
		answer(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{
			{Name: "tidemill.dev", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}}})
	case "/api/v1":
		answer(w, resources("v1", metav1.APIResource{Name: "nodes", Kind: "Node", Verbs: metav1.Verbs{"list", "watch"}},
			metav1.APIResource{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}}))
	case "/apis/tidemill.dev/v1alpha1":
		answer(w, resources("tidemill.dev/v1alpha1", metav1.APIResource{Name: "pools", Kind: "Pool", Verbs: metav1.Verbs{"list", "watch"}}))
	case "/api/v1/nodes":
		a.list(w, r, "v1", "Node", len(a.nodes))
	case "/api/v1/pods":
		a.list(w, r, "v1", "Pod", 0)
	case "/apis/tidemill.dev/v1alpha1/pools":
		a.list(w, r, "tidemill.dev/v1alpha1", "Pool", 0)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

// list answers with n objects, or watches for ever from them on.
func (a *nodeAPI) list(w http.ResponseWriter, r *http.Request, version, kind string, n int) {
	if r.URL.Query().Get("watch") == "" {
		items := make([]any, n)
		for i := range items {
			items[i] = a.node(i)
		}
		answer(w, map[string]any{"apiVersion": version, "kind": kind + "List", "metadata": map[string]string{"resourceVersion": "1"}, "items": items})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for i := range n {
			_ = out.Encode(map[string]any{"type": "ADDED", "object": a.node(i)})
		}
		_ = out.Encode(map[string]any{"type": "BOOKMARK", "object": map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{
			"resourceVersion": "1", "annotations": map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}})
	}
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	<-r.Context().Done()
}

// node is as large as OKE's: 28 labels, 50 images, managed fields.
func (a *nodeAPI) node(i int) *corev1.Node {
	n := &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: a.nodes[i].Name, ResourceVersion: "1", UID: "00000000-0000-0000-0000-000000000000",
		Labels:        map[string]string{"kubernetes.io/hostname": a.nodes[i].Name, "node.kubernetes.io/instance-type": "VM.Standard.E4.Flex"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:text":"` + strings.Repeat("x", 3000) + `"}}`)}}}}
	for j := range 26 {
		n.Labels[fmt.Sprintf("oci.oraclecloud.com/label-%02d", j)] = "a value of the usual length"
	}
	n.Spec.ProviderID = a.nodes[i].ProviderID
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("40Gi")}
	n.Status.Capacity, n.Status.Allocatable = room, room
	for _, c := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady} {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: c, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "kubelet is posting ready status"})
	}
	for j := range 50 {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example/team/application-%02d@sha256:%064d", j, j), fmt.Sprintf("registry.example/team/application-%02d:v1.2.3", j)}, SizeBytes: 1 << 28})
	}
	return n
}
