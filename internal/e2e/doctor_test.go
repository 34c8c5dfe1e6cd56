package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/playground"
)

// surgery is a cluster and the command, as a person has them.
type surgery struct {
	cluster *playground.Cluster
	set     kubernetes.Interface
	binary  string
	env     []string
	node    *corev1.Node
}

// doctor runs "tidemill doctor". What is wrong with nodes is no error of it.
func (s *surgery) doctor(ctx context.Context, t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, code, err := Command(ctx, s.binary, s.env, append([]string{"doctor"}, args...)...)
	if err != nil || code > 1 {
		t.Fatalf("doctor %q: exit code %d, %v\n%s%s", args, code, err, stdout, stderr)
	}
	return stdout, stderr
}

// finding is one check's word on the node.
func (s *surgery) finding(ctx context.Context, t *testing.T, check string, args ...string) doctor.Finding {
	t.Helper()
	out, _ := s.doctor(ctx, t, append(args, "-o", "json")...)
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, n := range r.Nodes {
		for _, f := range n.Findings {
			if n.Node == s.node.Name && f.Check == check {
				return f
			}
		}
	}
	t.Fatalf("doctor %q says nothing of %s on %s:\n%s", args, check, s.node.Name, out)
	return doctor.Finding{}
}

// commands are what a user types, on the cluster that the visits left.
func commands(ctx context.Context, t *testing.T, cluster *playground.Cluster, set kubernetes.Interface, nodes []*corev1.Node) {
	s := &surgery{cluster: cluster, set: set, binary: tidemill(t), env: (&Env{Cluster: cluster}).UserEnv(), node: nodes[0]}
	t.Run("no tidemill, few rights", func(t *testing.T) { s.bystander(ctx, t) })
	kinds, err := os.ReadFile("../../manifests/base/crd/tidemill.dev_pools.yaml")
	if err == nil {
		err = cluster.Apply(ctx, kinds)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Run("what is new", func(t *testing.T) { s.news(ctx, t) })
	t.Run("kubelets through the proxy", func(t *testing.T) { s.proxy(ctx, t) })
	t.Run("console and bundle", func(t *testing.T) { s.console(ctx, t) })
	t.Run("killed in a visit", func(t *testing.T) { s.killed(ctx, t) })
}

// news is what the look before did not see, once.
func (s *surgery) news(ctx context.Context, t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	const sick = "ReportedByOthers"
	look := func() string {
		out, _ := s.doctor(ctx, t, "--state", state)
		return out
	}
	if out := look(); strings.Contains(out, sick) {
		t.Fatalf("sick from the beginning:\n%s", out)
	}
	s.condition(ctx, t, corev1.ConditionTrue)
	for i, want := range []bool{true, false} {
		out := look()
		line := out[max(strings.Index(out, sick), 0):]
		line, _, _ = strings.Cut(line, "\n")
		if !strings.Contains(line, sick) || strings.Contains(line, "new") != want {
			t.Errorf("look %d after it began says %q, want news: %t\n%s", i+1, line, want, out)
		}
	}
	s.condition(ctx, t, corev1.ConditionFalse)
	if out := look(); strings.Contains(out, sick) {
		t.Errorf("it has healed, and stays:\n%s", out)
	}
}

// condition is another monitor's.
func (s *surgery) condition(ctx context.Context, t *testing.T, status corev1.ConditionStatus) {
	t.Helper()
	patch := `{"status":{"conditions":[{"type":"KernelDeadlock","reason":"Test","message":"tasks hang","status":"` + string(status) + `"}]}}`
	if _, err := s.set.CoreV1().Nodes().PatchStatus(ctx, s.node.Name, []byte(patch)); err != nil {
		t.Fatal(err)
	}
}

// proxy asks kubelets that are not there. Since none answers, it is the way to
// them that is in doubt, and no node is accused. The API server's own words
// arrive as a sentence, not as the object that they came in.
func (s *surgery) proxy(ctx context.Context, t *testing.T) {
	f := s.finding(ctx, t, "kubelet-health", s.node.Name, "--kubelet", "proxy")
	t.Logf("%+v", f)
	if f.State != doctor.Unknown || f.Message == "" || strings.ContainsAny(f.Message, "{}") {
		t.Errorf("a kubelet that is not there is %s: %q", f.State, f.Message)
	}
	if f := s.finding(ctx, t, "kubelet-health", s.node.Name, "--kubelet", "off"); f.State != doctor.Skip {
		t.Errorf("not asked, and it is %s: %s", f.State, f.Message)
	}
}

// console shows what the machine wrote, and packs it.
func (s *surgery) console(ctx context.Context, t *testing.T) {
	if err := s.cluster.Sim().SetConsole(s.node.Spec.ProviderID, "[ 9.1] Kernel panic - not syncing: VFS: Unable to mount root fs\n"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, talk := s.doctor(ctx, t, s.node.Name, "--console", "--bundle", dir)
	if _, tail, found := strings.Cut(out, "console of "+s.node.Name); !found || !strings.Contains(tail, "Kernel panic") {
		t.Errorf("the console is not shown:\n%s%s", out, talk)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar.zst"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives %q, %v\n%s", archives, err, talk)
	}
	files := unpacked(t, archives[0])
	for end, text := range map[string]string{"cloud/console.txt": "Kernel panic", "cluster/node.yaml": "kind: Node", "manifest.json": "sha256"} {
		i := slices.IndexFunc(files, func(f packed) bool { return strings.HasSuffix(f.name, end) })
		if i < 0 || !bytes.Contains(files[i].data, []byte(text)) {
			t.Errorf("no %s with %q in %s: %d files", end, text, archives[0], len(files))
		}
	}
}

type packed struct {
	name string
	data []byte
}

func unpacked(t *testing.T, path string) (out []packed) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, packed{h.Name, data})
	}
}

// killed is a visit whose command ends in its middle. Told to end it takes its
// pod along; killed it cannot, and then the pod ends by its own deadline, and
// the next visit takes it away.
func (s *surgery) killed(ctx context.Context, t *testing.T) {
	s.interrupt(ctx, t, syscall.SIGTERM)
	if left := s.visitors(ctx, t); len(left) != 0 {
		t.Fatalf("told to end, it left %d pods", len(left))
	}
	s.interrupt(ctx, t, syscall.SIGKILL)
	left := s.visitors(ctx, t)
	if len(left) != 1 || left[0].Spec.ActiveDeadlineSeconds == nil || left[0].Spec.NodeName != s.node.Name {
		t.Fatalf("killed, it left %+v, want one pod with a deadline", left)
	}
	past := `{"metadata":{"annotations":{"doctor.tidemill.dev/expires":"2001-01-01T00:00:00Z"}}}`
	if _, err := s.set.CoreV1().Pods(wards).Patch(ctx, left[0].Name, types.MergePatchType, []byte(past), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	ending, stop := context.WithCancel(ctx)
	defer stop()
	go endPods(ending, s.set)
	if f := s.finding(ctx, t, "memory", s.node.Name, "--deep", "--image", "tidemill:test"); f.Reason != "MemoryNearFull" {
		t.Errorf("the next visit: %+v", f)
	}
	if left := s.visitors(ctx, t); len(left) != 0 {
		t.Errorf("after the next visit there are %d pods", len(left))
	}
}

// interrupt ends a command by a signal as soon as its visitor is there.
func (s *surgery) interrupt(ctx context.Context, t *testing.T, signal syscall.Signal) {
	t.Helper()
	cmd := exec.CommandContext(ctx, s.binary, "doctor", s.node.Name, "--deep", "--image", "tidemill:test")
	cmd.Env = append(os.Environ(), s.env...)
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for len(s.visitors(ctx, t)) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("it ended before anybody was sent: %v\n%s", err, talk.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Errorf("interrupted, it says that all is well:\n%s", talk.String())
	}
}

// visitors are the pods of visits that nobody has deleted.
func (s *surgery) visitors(ctx context.Context, t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := s.set.CoreV1().Pods(wards).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=doctor-visit"})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}
