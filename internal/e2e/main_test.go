package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	kills = flag.Int("kills", 2, "how often TestKill kills the daemon; 20 are a proof")
	seed  = flag.Uint64("seed", 0, "seed of TestKill's moments; 0 takes one from the clock and logs it, where there are more kills than usual")
	keep  = flag.Bool("keep", false, "keep the logs of tests that passed")
)

// built is the binary under test, made once by the first test that needs it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func tidemill(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "tidemill-e2e-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "tidemill"), "github.com/tidemill/tidemill/cmd/tidemill").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build tidemill: %v", built.err)
	}
	return filepath.Join(built.dir, "tidemill")
}

// open starts a cluster with tidemill in it for one test. Its logs stay when the
// test has failed.
func open(t *testing.T, o Options) *Env {
	t.Helper()
	dir, err := os.MkdirTemp("", "tidemill-e2e-logs-")
	if err != nil {
		t.Fatal(err)
	}
	o.Tidemill, o.Dir = tidemill(t), dir
	if o.NodeGrace == 0 {
		// More than the demo's: the kubelets of a machine that is busy with other tests
		// are not dead when they are silent for eight seconds.
		o.NodeGrace = 20 * time.Second
	}
	begin := time.Now()
	env, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\nlogs: %s", err, dir)
	}
	t.Logf("cluster and daemon up in %.1f s", time.Since(begin).Seconds())
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, v := range env.Watcher.Violations() {
			t.Errorf("broken: %s", v)
		}
		if t.Failed() || *keep {
			t.Logf("logs: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return env
}

// stage is a stage whose words go to the test's log when they change kind.
func stage(env *Env) *Stage { return &Stage{Env: env, Figures: &Figures{}} }

// within is a context for a part of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
