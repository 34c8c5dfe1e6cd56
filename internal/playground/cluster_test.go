package playground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tidemill/tidemill/internal/okesim"
)

func TestStarts(t *testing.T) {
	c, client := cluster(t)
	t.Logf("playground start: %d ms, RSS %s", shared.took.Milliseconds(), rss())
	begin := time.Now()
	eventually(t, func(ctx context.Context) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "!test"})
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range nodes.Items {
			if nodeReady(&n) && len(n.Spec.Taints) == 0 {
				ready++
			}
		}
		if ready != 4 {
			return fmt.Errorf("%d of %d nodes are ready, want 4", ready, len(nodes.Items))
		}
		return nil
	})
	t.Logf("four nodes ready: %d ms later, RSS %s", time.Since(begin).Milliseconds(), rss())
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.GitVersion != linkedKubernetes {
		t.Errorf("/version says %s, want %s", version.GitVersion, linkedKubernetes)
	}
	if c.PoolID("gpu") == "" || c.PoolID("nobody") != "" {
		t.Errorf("PoolID: gpu %q, nobody %q", c.PoolID("gpu"), c.PoolID("nobody"))
	}
	answer, err := http.Get(c.OCIEndpoint() + "/20180222/nodePools?compartmentId=" + c.CompartmentID())
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unsigned call to the cloud gets %s, want 401", answer.Status)
	}
}

func TestLinkedVersionIsTheOneInGoMod(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != linkedKubernetes || ControlPlaneVersion() != got {
		t.Errorf("linkedKubernetes = %s, ControlPlaneVersion() = %s, go.mod says %s", linkedKubernetes, ControlPlaneVersion(), got)
	}
}

func TestServiceAccountHasOnlyItsRights(t *testing.T) {
	c, client := cluster(t)
	ns := freshNamespace(t, client)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}
	if _, err := client.CoreV1().ServiceAccounts(ns).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	path, err := c.ServiceAccountKubeconfig(t.Context(), ns, "robot")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	robot, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := robot.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("list pods without a role: %v, want forbidden", err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "robot"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "robot", Namespace: ns}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}
	if _, err := client.RbacV1().RoleBindings(ns).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The role "view" is empty until the aggregation controller has filled it.
	eventually(t, func(ctx context.Context) error {
		_, err := robot.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		return err
	})
	if _, err := robot.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("list nodes: %v, want forbidden", err)
	}
}

// Two clusters in one process know nothing of each other, and the one that
// stops takes its directory, its ports and most of its goroutines along.
func TestSecondClusterComesAndGoes(t *testing.T) {
	_, first := cluster(t)
	before := runtime.NumGoroutine()
	begin := time.Now()
	second, err := Start(t.Context(), Options{Name: "second", Latency: fast, BootDelay: 100 * time.Millisecond, Pools: []okesim.Pool{
		{Name: "only", Shape: "VM.Standard.A1.Flex", OCPUs: 1, MemoryGB: 6, Size: 1, Placements: Placements(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("second playground start: %d ms, RSS %s, %d goroutines before", time.Since(begin).Milliseconds(), rss(), before)
	client := clientOf(t, second)
	eventually(t, func(ctx context.Context) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err == nil && (len(nodes.Items) != 1 || !nodeReady(&nodes.Items[0])) {
			err = fmt.Errorf("%d nodes, want one that is ready", len(nodes.Items))
		}
		return err
	})
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "only-here"}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.CoreV1().Namespaces().Get(t.Context(), "only-here", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the first cluster sees the second's namespace: %v", err)
	}
	dir, endpoint, host := second.Dir(), second.OCIEndpoint(), second.RESTConfig().Host
	running, begin := runtime.NumGoroutine(), time.Now()
	second.Stop()
	t.Logf("stopped in %d ms", time.Since(begin).Milliseconds())
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory %s is left: %v", dir, err)
	}
	for _, url := range []string{endpoint, host} {
		if answer, err := http.Get(url); err == nil {
			t.Errorf("%s still answers: %s", url, answer.Status)
		}
	}
	eventually(t, func(context.Context) error {
		if left := runtime.NumGoroutine() - before; left > (running-before)/10 {
			return fmt.Errorf("%d of %d goroutines are left:\n%s", left, running-before, stacks())
		}
		return nil
	})
	t.Logf("goroutines: %d before, %d with the second cluster, %d after", before, running, runtime.NumGoroutine())
	if _, err := first.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the first cluster suffered: %v", err)
	}
}

// stacks are the most frequent goroutines.
func stacks() string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	count := map[string]int{}
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		lines := strings.Split(string(g), "\n")
		if len(lines) > 2 {
			count[lines[len(lines)-2]]++
		}
	}
	var text strings.Builder
	for creator, n := range count {
		if n > 2 {
			fmt.Fprintf(&text, "%6d %s\n", n, creator)
		}
	}
	return text.String()
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, err := Start(t.Context(), Options{Pools: []okesim.Pool{{Name: "bad", Shape: "VM.Imaginary", Placements: Placements(1)}}})
	if err == nil {
		t.Fatal("a pool of a shape that does not exist was accepted")
	}
	t.Log(err)
	entries, err := os.ReadDir(os.TempDir())
	if err != nil || len(entries) > 0 {
		t.Errorf("left in the temporary directory: %v %v", entries, err)
	}
}

func TestDirectoryOfTheUserIsKeptAndMustBeEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("start in a directory with files: %v", err)
	}
	if _, err := os.Stat(dir + "/mine"); err != nil {
		t.Errorf("the user's file: %v", err)
	}
}

// A start that is called off in its middle ends in order: a kube-apiserver that
// is stopped while it starts would take this process with it.
func TestStartCalledOffLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, after := range []time.Duration{300 * time.Millisecond, 1300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		c, err := Start(ctx, Options{})
		cancel()
		if err == nil { // a fast machine
			c.Stop()
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("called off after %v: %v", after, err)
		}
		entries, err := os.ReadDir(os.TempDir())
		if err != nil || len(entries) > 0 {
			t.Errorf("called off after %v, left: %v %v", after, entries, err)
		}
	}
}
