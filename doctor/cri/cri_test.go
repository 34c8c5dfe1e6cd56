package cri

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/fake"
)

// runtime is a runtime that listens below a host's root.
func runtime(t *testing.T) (root string, r *fake.RemoteRuntime) {
	t.Helper()
	root, err := os.MkdirTemp("", "cri") // a socket's path has 108 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.MkdirAll(filepath.Join(root, "run/crio"), 0o755); err != nil {
		t.Fatal(err)
	}
	r = fake.NewFakeRemoteRuntime()
	if err := r.Start("unix://" + filepath.Join(root, Sockets[0])); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return root, r
}

func TestRuntimeIsWell(t *testing.T) {
	root, _ := runtime(t)
	s, err := At(root)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Name == "" || s.Version == "" || len(s.NotReady) != 0 || s.Stuck != 0 || s.Images != "" {
		t.Errorf("%+v", s)
	}
}

func TestRuntimeIsNotReady(t *testing.T) {
	root, r := runtime(t)
	r.RuntimeService.FakeStatus = &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true},
		{Type: runtimeapi.NetworkReady, Status: false, Reason: "NetworkPluginNotReady", Message: "no CNI configuration file in /etc/cni/net.d/"},
		{Type: "SomethingElse", Status: false},
	}}
	s, err := At(root)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.NotReady) != 1 || !strings.HasPrefix(s.NotReady[0], "NetworkReady: NetworkPluginNotReady no CNI") {
		t.Errorf("%+v", s)
	}
}

// A runtime that answers and cannot create: it says that it is ready, and what
// it was asked to make is not started. Once that heals, nothing is left of it.
func TestRuntimeThatAnswersAndDoesNotStart(t *testing.T) {
	root, r := runtime(t)
	ask := At(root)
	sandbox, err := r.RuntimeService.RunPodSandbox(t.Context(), &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Name: "p", Namespace: "n", Uid: "u"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	config := &runtimeapi.ContainerConfig{Metadata: &runtimeapi.ContainerMetadata{Name: "c"}, Image: &runtimeapi.ImageSpec{Image: "i"}}
	id, err := r.RuntimeService.CreateContainer(t.Context(), sandbox, config, &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Name: "p", Namespace: "n", Uid: "u"}})
	if err != nil {
		t.Fatal(err)
	}
	r.RuntimeService.Containers[id].CreatedAt = time.Now().UnixNano()
	if s, err := ask(t.Context()); err != nil || s.Stuck != 0 || s.Sandboxes != 1 {
		t.Errorf("just created: %+v, %v", s, err)
	}
	r.RuntimeService.Containers[id].CreatedAt = time.Now().Add(-2 * stuckAfter).UnixNano()
	if s, err := ask(t.Context()); err != nil || s.Stuck != 1 || len(s.NotReady) != 0 {
		t.Errorf("created long ago: %+v, %v", s, err)
	}
	if err := r.RuntimeService.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if s, err := ask(t.Context()); err != nil || s.Stuck != 0 {
		t.Errorf("started: %+v, %v", s, err)
	}
}

func TestRuntimeThatLostItsDisk(t *testing.T) {
	root, r := runtime(t)
	r.ImageService.InjectError("ImageFsInfo", errors.New("stat /var/lib/containers/storage: input/output error"))
	s, err := At(root)(t.Context())
	if err != nil || !strings.Contains(s.Images, "input/output error") {
		t.Errorf("%+v, %v", s, err)
	}
}

// bounded is what may pass on a machine that is busy with other tests. A call that
// is not bounded at all takes as long as go test lets it.
const bounded = time.Minute

func TestRuntimeThatFails(t *testing.T) {
	root, r := runtime(t)
	ask := At(root)
	if _, err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.RuntimeService.InjectError("ListPodSandbox", errors.New("boltdb: database not open"))
	if _, err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), "sandboxes") {
		t.Errorf("%v", err)
	}
	r.RuntimeService.InjectError("ListPodSandbox", nil)
	r.Stop()
	began := time.Now()
	if _, err := ask(t.Context()); err == nil {
		t.Error("a runtime that is gone answered")
	}
	if took := time.Since(began); took > bounded {
		t.Errorf("it took %s to notice", took)
	}
}

// A socket at which nobody listens, and one that accepts and never answers, end
// in time and are no runtime.
func TestDeadSockets(t *testing.T) {
	root, err := os.MkdirTemp("", "cri")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if _, err := At(root)(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	path := filepath.Join(root, Sockets[1])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	if s, err := At(root)(t.Context()); err == nil {
		t.Errorf("a mute socket answered %+v", s)
	}
	if took := time.Since(began); took > bounded {
		t.Errorf("a mute socket held us for %s", took)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := At(root)(t.Context()); err == nil {
		t.Error("a dead socket answered")
	}
}
