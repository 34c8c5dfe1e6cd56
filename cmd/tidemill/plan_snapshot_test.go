package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale"
)

// busyWorld has pods that wait and pods that have been helped, idle nodes and
// full ones.
func busyWorld() *worldtest.World {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(1, 14))
	w.AddPool("arm", "8", "32Gi", worldtest.Scale(0, 0))
	w.AddPool("nobody", "2", "8Gi")
	for i := range 12 {
		n := w.AddNode("workers", fmt.Sprintf("n%02d", i))
		n.Annotations[v1alpha1.AnnotationUnneededSince] = "2026-03-01T11:55:00Z"
	}
	deployed := func(name string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			yes := true
			p.Namespace, p.Labels = "shop", map[string]string{"app": name, "pod-template-hash": "5d4f"}
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name + "-5d4f", UID: types.UID("uid-" + name), Controller: &yes}}
		}
	}
	for i := range 8 {
		w.AddPod(fmt.Sprintf("old-%d", i), "3500m", "1Gi", worldtest.On(fmt.Sprintf("n%02d", i)), deployed("old"))
	}
	for i := range 37 {
		w.AddPod(fmt.Sprintf("web-5d4f-%02d", i), "16", "1Gi", deployed("web"))
	}
	return w
}

// recordedAt writes the world's look into a file.
func recordedAt(t *testing.T, w *worldtest.World) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cluster.tidemill")
	l := planLook{snapshot: w.Snapshot(), doctor: json.RawMessage(`{"schema":"s","nodes":[]}`), offers: map[cloudprovider.PoolID]cycle.Offer{
		worldtest.PoolID("workers"): {Err: errors.New("throttled")},
	}}
	if err := l.write(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// tidemill runs the command in this process.
func tidemill(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out, talk bytes.Buffer
	root := newRoot("tidemill", &out, &talk)
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestPlanOfASnapshotIsThePlan: what is decided on the file is what was decided
// on the cluster, byte for byte.
func TestPlanOfASnapshotIsThePlan(t *testing.T) {
	w := busyWorld()
	out, err := tidemill(t, "", "plan", "--snapshot", recordedAt(t, w), "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Scale json.RawMessage `json:"scale"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	want, err := scale.Decide(w.Snapshot(), (&scaleFlags{young: 2 * 60e9}).policy())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := errors.Join(json.Indent(&a, text, "", " "), json.Indent(&b, got.Scale, "", " ")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.String(), b.String()); diff != "" {
		t.Errorf("plan (-cluster +file):\n%s", diff)
	}
}

const newShop = `
kind: Deployment
apiVersion: apps/v1
metadata: {name: cart, namespace: shop}
spec:
  replicas: 20
  template: {spec: {containers: [{name: main, resources: {requests: {cpu: "6"}}}]}}
---
kind: Pod
apiVersion: v1
metadata: {name: probe}
spec: {containers: [{name: main, resources: {requests: {cpu: "1"}}}]}
---
kind: Pool
apiVersion: tidemill.dev/v1alpha1
metadata: {name: large}
spec: {nodePoolID: large, scale: {minSize: 0, maxSize: 5}}
---
kind: Node
apiVersion: v1
metadata: {name: any, annotations: {tidemill.dev/template-of: large}}
status: {allocatable: {cpu: "16", memory: 64Gi}}
`

func TestWhatIfReads(t *testing.T) {
	path := recordedAt(t, busyWorld())
	plain, err := tidemill(t, "", "plan", "--snapshot", path)
	if err != nil {
		t.Fatal(err)
	}
	what, err := tidemill(t, newShop, "plan", "--snapshot", path, "--what-if", "-")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/whatif.golden", plain+"----\n"+what)
}

func TestPlanFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := recordedAt(t, busyWorld())
	tests := []struct {
		args  []string
		stdin string
		want  string
	}{
		{[]string{"--snapshot", filepath.Join(dir, "none")}, "", "no such file"},
		{[]string{"--snapshot", bad}, "", "it is not a snapshot of tidemill"},
		{[]string{"--snapshot", good, "--record", bad}, "", "--record with --snapshot"},
		{[]string{"--snapshot", good, "--what-if", "-"}, "kind: Service", "nothing that the plan depends on"},
		{[]string{"--snapshot", good, "--what-if", filepath.Join(dir, "none")}, "", "no such file"},
		{[]string{"--snapshot", good, "--scale-down-young", "0s"}, "", "not positive"},
	}
	for _, test := range tests {
		_, err := tidemill(t, test.stdin, append([]string{"plan"}, test.args...)...)
		var f *failure
		if !errors.As(err, &f) || f.code != exitUsage || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want one line with %q and exit code 2", test.args, err, test.want)
		}
	}
}
