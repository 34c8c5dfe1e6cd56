package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/doctor"
)

// house is a host of a few files, an API server with its Node, and the agent.
type house struct {
	root   string
	kube   client.Client
	writes atomic.Int64
	fail   error // what the API server answers
	log    bytes.Buffer
	agent  *Agent
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{root: t.TempDir()}
	h.put(t, "proc/1/stat", "1 (systemd) S")
	h.mount(t, "rw")
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u1"}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	h.kube = fake.NewClientBuilder().WithObjects(n).WithStatusSubresource(n).WithInterceptorFuncs(interceptor.Funcs{
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			if h.fail != nil {
				return h.fail
			}
			h.writes.Add(1)
			return c.SubResource(sub).Apply(ctx, obj, opts...)
		},
	}).Build()
	h.agent = &Agent{Rounds: doctor.NewRounds(doctor.HostOptions{Root: h.root, Name: "n1", Checks: checks("root-read-only")}), Node: "n1", Client: h.kube,
		Log: slog.New(slog.NewTextHandler(&h.log, nil))}
	return h
}

func checks(ids ...string) []doctor.Check {
	return slices.DeleteFunc(doctor.HostChecks(), func(c doctor.Check) bool { return !slices.Contains(ids, c.ID) })
}

func (h *house) put(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(h.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text+"\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (h *house) mount(t *testing.T, how string) {
	h.put(t, "proc/1/mountinfo", "22 1 8:3 / / rw - ext4 /dev/sda3 "+how)
}

func (h *house) condition(t *testing.T) corev1.NodeCondition {
	t.Helper()
	var n corev1.Node
	if err := h.kube.Get(t.Context(), client.ObjectKey{Name: "n1"}, &n); err != nil {
		t.Fatal(err)
	}
	for _, c := range n.Status.Conditions {
		if c.Type == v1alpha1.NodeConditionHost {
			return c
		}
	}
	return corev1.NodeCondition{}
}

// A problem is told in the round that finds it, and taken back in the one that
// does not; in between the cluster hears a heartbeat and no more.
func TestAgentTellsLevels(t *testing.T) {
	h := newHouse(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- h.agent.Run(ctx) }()
		after := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		after(30 * time.Second)
		if c := h.condition(t); c.Status != corev1.ConditionFalse || h.writes.Load() != 1 {
			t.Fatalf("after the first round: %+v, %d writes", c, h.writes.Load())
		}
		after(3 * time.Minute)
		if n := h.writes.Load(); n != 1 {
			t.Errorf("%d writes without news", n)
		}
		h.mount(t, "ro")
		after(time.Minute)
		if c := h.condition(t); c.Status != corev1.ConditionTrue || c.Reason != "RootReadOnly" {
			t.Errorf("a read-only root is told as %+v", c)
		}
		h.mount(t, "rw")
		after(time.Minute)
		if c := h.condition(t); c.Status != corev1.ConditionFalse {
			t.Errorf("a healed root is told as %+v", c)
		}
		writes := h.writes.Load()
		after(11 * time.Minute)
		if n := h.writes.Load() - writes; n != 2 {
			t.Errorf("%d heartbeats in 11 minutes, want 2", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	log := h.log.String()
	if strings.Count(log, "host has a problem") != 1 || strings.Count(log, "host recovered") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// What the API server refused is told again in the next round.
func TestAgentTellsUntilItIsHeard(t *testing.T) {
	h := newHouse(t)
	h.fail = errors.New("the server is down")
	h.agent.round(t.Context())
	h.agent.round(t.Context())
	if c := h.condition(t); c.Type != "" || strings.Count(h.log.String(), "the cluster was not told") != 2 {
		t.Errorf("%+v, log:\n%s", c, h.log.String())
	}
	h.fail = nil
	h.agent.round(t.Context())
	if c := h.condition(t); c.Status != corev1.ConditionFalse {
		t.Errorf("not told after the server came back: %+v", c)
	}
}

// A host that is gone, or was never mounted, is no healthy host.
func TestAgentWithoutAHost(t *testing.T) {
	h := newHouse(t)
	if err := os.RemoveAll(filepath.Join(h.root, "proc")); err != nil {
		t.Fatal(err)
	}
	h.agent.round(t.Context())
	if h.writes.Load() != 0 || !strings.Contains(h.log.String(), "host cannot be examined") {
		t.Errorf("%d writes, log:\n%s", h.writes.Load(), h.log.String())
	}
}
