package cri

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// liar is a runtime that answers every question with what it was given.
type liar struct {
	internalapi.RuntimeService
	version    *runtimeapi.VersionResponse
	status     *runtimeapi.StatusResponse
	sandboxes  *runtimeapi.ListPodSandboxResponse
	containers *runtimeapi.ListContainersResponse
}

func (l liar) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return l.version, nil
}
func (l liar) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) { return l.status, nil }
func (l liar) ListPodSandbox(context.Context, *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	return l.sandboxes.Items, nil
}
func (l liar) ListContainers(context.Context, *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	return l.containers.Containers, nil
}

// Whatever bytes a runtime sends as its answers, they are no message, or a state
// that counts what is there: never more stuck than listed, never a panic.
func FuzzAnswers(f *testing.F) {
	encode := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(encode(&runtimeapi.VersionResponse{RuntimeName: "cri-o", RuntimeVersion: "1.34.1"}),
		encode(&runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{{Type: runtimeapi.RuntimeReady, Reason: "\x1b[2J", Message: "\u202e"}}}}),
		encode(&runtimeapi.ListPodSandboxResponse{Items: []*runtimeapi.PodSandbox{{Id: "a"}}}),
		encode(&runtimeapi.ListContainersResponse{Containers: []*runtimeapi.Container{{Id: "b", CreatedAt: -1 << 63}, {CreatedAt: 1<<63 - 1, State: runtimeapi.ContainerState_CONTAINER_EXITED}}}))
	f.Add([]byte{}, []byte{}, []byte{}, []byte{})
	f.Add([]byte{0x0a}, []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, []byte{0x0a, 0}, []byte{0x0a, 0})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, version, status, sandboxes, containers []byte) {
		l := liar{version: &runtimeapi.VersionResponse{}, status: &runtimeapi.StatusResponse{}, sandboxes: &runtimeapi.ListPodSandboxResponse{}, containers: &runtimeapi.ListContainersResponse{}}
		for bytes, to := range map[*[]byte]proto.Message{&version: l.version, &status: l.status, &sandboxes: l.sandboxes, &containers: l.containers} {
			if proto.Unmarshal(*bytes, to) != nil {
				return // gRPC refuses it before we see it
			}
		}
		q := &interview{ctx: t.Context(), runtime: l, now: now}
		q.ask("its version", q.version)
		q.ask("its status", q.status)
		q.ask("its sandboxes", q.sandboxes)
		q.ask("its containers", q.containers)
		if q.state.Stuck > len(l.containers.Containers) || q.state.Stuck < 0 || q.state.Sandboxes > len(l.sandboxes.Items) {
			t.Errorf("%d stuck of %d, %d sandboxes of %d", q.state.Stuck, len(l.containers.Containers), q.state.Sandboxes, len(l.sandboxes.Items))
		}
		if q.err == nil && l.status.Status == nil {
			t.Error("a runtime without a status is fine")
		}
		if l.status.Status != nil && len(q.state.NotReady) > len(l.status.Status.Conditions) {
			t.Errorf("%d conditions are not met, of %d", len(q.state.NotReady), len(l.status.Status.Conditions))
		}
	})
}
