package playground

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/internal/okesim"
)

// One cluster serves all tests that only add to it; it is started by the first
// of them.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
	took    time.Duration
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		dir := shared.cluster.Dir()
		shared.cluster.Stop()
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			fmt.Fprintf(os.Stderr, "the cluster left %s behind: %v\n", dir, err)
			code = 1
		}
	}
	os.Exit(code)
}

// fast is a cloud whose instances take about a second.
var fast = okesim.Latency{Accept: 20 * time.Millisecond, Provision: 200 * time.Millisecond, Boot: 300 * time.Millisecond, Terminate: 200 * time.Millisecond}

func cluster(t *testing.T) (*Cluster, kubernetes.Interface) {
	t.Helper()
	shared.once.Do(func() {
		begin := time.Now()
		shared.cluster, shared.err = Start(context.Background(), Options{
			Latency: fast, BootDelay: 500 * time.Millisecond, NodeMonitorGrace: 4 * time.Second,
		})
		shared.took = time.Since(begin)
	})
	if shared.err != nil {
		t.Fatalf("start: %v", shared.err)
	}
	return shared.cluster, clientOf(t, shared.cluster)
}

func clientOf(t *testing.T, c *Cluster) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatalf("make client: %v", err)
	}
	return client
}

// patience is how long a test waits for what must come. It is long because the
// machine may be busy with other packages, and costs nothing when all is well.
const patience = time.Minute

// eventually waits for check to return nil and says what was missing if it
// never does.
func eventually(t *testing.T, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %v", patience, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// rss is the resident memory of this process as /proc says it, "? MB" elsewhere.
func rss() string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "? MB"
	}
	for line := range strings.Lines(string(data)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return fmt.Sprintf("%d MB", kb/1024)
		}
	}
	return "? MB"
}
