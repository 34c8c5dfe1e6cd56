package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/agent"
	"github.com/tidemill/tidemill/doctor/deep"
)

const wards = deep.DefaultNamespace

// TestDoctorWithin visits nodes and lets agents write on a real API server, with
// what manifests/overlays/doctor installs: Pod Security judges the pods, and
// admission the agents. There is no kubelet to run a container; the test ends
// them, and gives their log.
func TestDoctorWithin(t *testing.T) {
	ctx := within(t, 15*time.Minute)
	cluster, c := bare(ctx, t, 2)
	applyAll(ctx, t, c, read(t, "../../manifests/overlays/doctor"))
	set, err := kubernetes.NewForConfig(cluster.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*corev1.Node
	if err := Until(ctx, "two nodes", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		list, err := set.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, "", err
		}
		nodes = pointers(list.Items)
		return len(nodes) == 2, fmt.Sprintf("%d nodes", len(nodes)), nil
	}); err != nil {
		t.Fatal(err)
	}
	// Without it no pod is admitted; a controller makes it in each namespace.
	for _, namespace := range []string{wards, "default"} {
		if err := Until(ctx, "the account of pods in "+namespace, 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
			_, err := set.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
			return err == nil, "it is not there", client.IgnoreNotFound(err)
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("visit", func(t *testing.T) { visits(ctx, t, set, nodes) })
	t.Run("agent", func(t *testing.T) { agents(ctx, t, cluster.RESTConfig(), set, nodes) })
	t.Run("command", func(t *testing.T) { commands(ctx, t, cluster, set, nodes) })
}

// visits end by the hand of the test, one node with a log and one without.
func visits(ctx context.Context, t *testing.T, set kubernetes.Interface, nodes []*corev1.Node) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go endPods(ctx, set)
	o := deep.Options{Client: set, Image: "tidemill:test", Privilege: deep.PrivilegeRuntime, Poll: 100 * time.Millisecond, Timeout: time.Minute,
		Logs: func(ctx context.Context, ns, name string) ([]byte, error) {
			p, err := set.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err != nil || p.Spec.NodeName != nodes[0].Name {
				return nil, errors.New("no kubelet")
			}
			return json.Marshal(doctor.Report{Schema: doctor.Schema, Nodes: []doctor.NodeReport{{Findings: []doctor.Finding{{Check: "memory", State: doctor.Pass}}}}})
		}}
	got, err := deep.Examine(ctx, o, nodes)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Err != nil || len(got[0].Findings) != 1 || got[0].Findings[0].State != doctor.Pass {
		t.Errorf("by its log: %+v", got[0])
	}
	if got[1].Err != nil || len(got[1].Findings) != 1 || got[1].Findings[0].Reason != "MemoryNearFull" {
		t.Errorf("by its brief: %+v", got[1])
	}
	list, err := set.CoreV1().Pods(wards).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=doctor-visit"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			t.Errorf("pod %s was left behind", p.Name)
		}
	}
	// A namespace that is not made for it refuses, and the refusal says why.
	o.Namespace = "default"
	if _, err := set.CoreV1().Namespaces().Patch(ctx, "default", types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	untilBaseline(ctx, t, set, "default")
	if got, err := deep.Examine(ctx, o, nodes[:1]); err != nil || !errors.Is(got[0].Err, deep.ErrRefused) {
		t.Errorf("in a namespace at level baseline: %+v, %v", got, err)
	}
}

// untilBaseline waits until Pod Security refuses a privileged pod of the namespace:
// admission reads namespaces from a cache of its own, which learns of a new label
// some time after the answer to the write.
func untilBaseline(ctx context.Context, t *testing.T, set kubernetes.Interface, namespace string) {
	t.Helper()
	privileged := true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "privileged-"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i",
			SecurityContext: &corev1.SecurityContext{Privileged: &privileged}}}},
	}
	err := Until(ctx, "Pod Security in "+namespace, 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		_, err := set.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return false, "a privileged pod is admitted", nil
		}
		return strings.Contains(err.Error(), "PodSecurity"), err.Error(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// endPods ends the container of every visitor as a kubelet would.
func endPods(ctx context.Context, set kubernetes.Interface) {
	patch := []byte(`{"status":{"phase":"Failed","containerStatuses":[{"name":"doctor","image":"i","imageID":"","ready":false,"restartCount":0,` +
		`"state":{"terminated":{"exitCode":1,"message":"[{\"c\":\"memory\",\"s\":\"fail\",\"r\":\"MemoryNearFull\"}]"}}}]}}`)
	for ctx.Err() == nil {
		list, err := set.CoreV1().Pods(wards).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=doctor-visit"})
		if err == nil {
			for _, p := range list.Items {
				// One that is deleted meanwhile needs no end.
				_, _ = set.CoreV1().Pods(wards).Patch(ctx, p.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// agents write with the token that their pod would have.
func agents(ctx context.Context, t *testing.T, config *rest.Config, set kubernetes.Interface, nodes []*corev1.Node) {
	own, other := nodes[0].Name, nodes[1].Name
	as := agentOn(ctx, t, config, set, own)
	bad := []doctor.Finding{{Check: "root-read-only", State: doctor.Fail, Message: "read-only: /"}}
	untilGuarded(ctx, t, as, own)
	if err := doctor.PublishHost(ctx, as, own, bad); err != nil {
		t.Fatalf("on its own Node: %v", err)
	}
	n, err := set.CoreV1().Nodes().Get(ctx, own, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, k := range n.Status.Conditions {
		told = told || k.Type == v1alpha1.NodeConditionHost && k.Status == corev1.ConditionTrue
	}
	if !told {
		t.Errorf("the Node has no word of it: %+v", n.Status.Conditions)
	}
	if err := doctor.PublishHost(ctx, as, own, nil); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := doctor.PublishHost(ctx, as, other, bad); !apierrors.IsForbidden(err) {
		t.Errorf("on another's Node: %v, want it to be forbidden", err)
	}
	for what, patch := range map[string]string{
		"another condition": `{"status":{"conditions":[{"type":"Ready","status":"False","reason":"Forged"}]}}`,
		"a new condition":   `{"status":{"conditions":[{"type":"Mine","status":"True","reason":"Forged"}]}}`,
		"capacity":          `{"status":{"capacity":{"cpu":"999"}}}`,
		"an address":        `{"status":{"addresses":[{"type":"ExternalIP","address":"192.0.2.1"}]}}`,
		"a label":           `{"metadata":{"labels":{"mine":"true"}}}`,
	} {
		err := as.Status().Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: own}}, client.RawPatch(types.StrategicMergePatchType, []byte(patch)))
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, want it to be forbidden", what, err)
		}
	}
}

// untilGuarded waits until an agent may write to its Node, and the policy refuses
// what it may not write: both are known to the API server a moment after they were
// applied.
func untilGuarded(ctx context.Context, t *testing.T, as client.Client, own string) {
	t.Helper()
	err := Until(ctx, "the policy on agents", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		patch := client.RawPatch(types.StrategicMergePatchType, []byte(`{"status":{"capacity":{"cpu":"999"}}}`))
		err := as.Status().Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: own}}, patch, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "nothing else of its Node"), fmt.Sprint(err), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// agentOn is a client as the agent's pod on a node has it.
func agentOn(ctx context.Context, t *testing.T, config *rest.Config, set kubernetes.Interface, node string) client.Client {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: wards},
		Spec: corev1.PodSpec{NodeName: node, ServiceAccountName: "tidemill-doctor", Containers: []corev1.Container{{Name: "doctor", Image: "i"}}}}
	made, err := set.CoreV1().Pods(wards).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := set.CoreV1().ServiceAccounts(wards).CreateToken(ctx, "tidemill-doctor", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: made.Name, UID: made.UID}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine := rest.AnonymousClientConfig(config)
	mine.BearerToken = token.Status.Token
	as, err := agent.Connect(mine)
	if err != nil {
		t.Fatal(err)
	}
	return as
}
