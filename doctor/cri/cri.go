// Package cri asks a node's container runtime how it is, over the Container
// Runtime Interface (CRI), which CRI-O and containerd both speak.
//
//	host root ─► the socket that is there ─► Version, Status, sandboxes, containers, image storage
//
// The socket is as good as root on the host, and therefore only asked when it is
// asked for. Nothing is created and nothing is changed. Whether the runtime can
// create is read off what it has been asked for anyway: a container that was
// created minutes ago and never started.
package cri

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"

	"github.com/tidemill/tidemill/doctor"
)

// Sockets are where runtimes listen, OKE's own first.
var Sockets = []string{"run/crio/crio.sock", "run/containerd/containerd.sock"}

// stuckAfter is how long a container may have been created without being
// started: between the two there is next to nothing to do.
const stuckAfter = 5 * time.Minute

// patience bounds one answer, as in crictl's own default.
const patience = 2 * time.Second

// At gives a reader of the runtime whose socket lies below root. fs.ErrNotExist
// means that there is none, fs.ErrPermission that it may not be called. The
// connection is made once and kept: an agent asks every minute.
func At(root string) func(context.Context) (doctor.RuntimeState, error) {
	var mu sync.Mutex
	var open *Runtime
	return func(ctx context.Context) (doctor.RuntimeState, error) {
		mu.Lock()
		defer mu.Unlock()
		if open == nil {
			socket, err := find(root)
			if err != nil {
				return doctor.RuntimeState{}, err
			}
			if open, err = Open(ctx, "unix://"+socket); err != nil {
				return doctor.RuntimeState{}, err
			}
		}
		return open.Ask(ctx, time.Now())
	}
}

func find(root string) (string, error) {
	var all error
	for _, s := range Sockets {
		path := filepath.Join(root, s)
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode()&fs.ModeSocket != 0:
			return path, nil
		case errors.Is(err, fs.ErrPermission):
			all = err
		}
	}
	if all != nil {
		return "", fmt.Errorf("find the runtime's socket: %w", all)
	}
	return "", fmt.Errorf("find the runtime's socket below %s: %w", filepath.Join(root, "run"), fs.ErrNotExist)
}

// Runtime is an open connection to one runtime.
type Runtime struct {
	endpoint string
	runtime  internalapi.RuntimeService
	// images is opened when it is first asked: the client asks for the storage even
	// then, and a runtime whose storage is gone has more to say.
	images internalapi.ImageManagerService
}

// Open connects to the runtime at an endpoint, "unix:///run/crio/crio.sock".
func Open(ctx context.Context, endpoint string) (*Runtime, error) {
	r, err := remote.NewRemoteRuntimeService(ctx, endpoint, patience, noop.NewTracerProvider(), false)
	if err != nil {
		return nil, fmt.Errorf("call the runtime: %w", err)
	}
	return &Runtime{endpoint: endpoint, runtime: r}, nil
}

// Ask asks the runtime how it is. What it refuses to say about its images is in
// the state; everything else that it does not answer is an error.
func (r *Runtime) Ask(ctx context.Context, now time.Time) (doctor.RuntimeState, error) {
	q := &interview{ctx: ctx, runtime: r.runtime, now: now}
	q.ask("its version", q.version)
	q.ask("its status", q.status)
	q.ask("its sandboxes", q.sandboxes)
	q.ask("its containers", q.containers)
	if q.err != nil {
		return doctor.RuntimeState{}, q.err
	}
	if err := r.storage(ctx); err != nil {
		q.state.Images = err.Error()
	}
	return q.state, nil
}

// storage asks what the images take.
func (r *Runtime) storage(ctx context.Context) (err error) {
	if r.images == nil {
		r.images, err = remote.NewRemoteImageService(ctx, r.endpoint, patience, noop.NewTracerProvider(), false)
		if err != nil {
			r.images = nil
			return err
		}
	}
	_, err = r.images.ImageFsInfo(ctx)
	return err
}

// interview is a row of questions; after one that fails none is asked.
type interview struct {
	ctx     context.Context
	runtime internalapi.RuntimeService
	now     time.Time
	state   doctor.RuntimeState
	err     error
}

func (q *interview) ask(what string, question func() error) {
	if q.err != nil {
		return
	}
	began := time.Now()
	if err := question(); err != nil {
		q.err = fmt.Errorf("ask the runtime for %s: %w", what, err)
	}
	q.state.Took = max(q.state.Took, time.Since(began))
}

func (q *interview) version() error {
	v, err := q.runtime.Version(q.ctx, "")
	if err == nil {
		q.state.Name, q.state.Version = v.RuntimeName, v.RuntimeVersion
	}
	return err
}

func (q *interview) status() error {
	s, err := q.runtime.Status(q.ctx, false)
	if err != nil {
		return err
	}
	if s.Status == nil {
		return errors.New("it gives none")
	}
	for _, c := range s.Status.Conditions {
		if !c.Status && (c.Type == runtimeapi.RuntimeReady || c.Type == runtimeapi.NetworkReady) {
			q.state.NotReady = append(q.state.NotReady, fmt.Sprintf("%s: %s %s", c.Type, c.Reason, c.Message))
		}
	}
	return nil
}

func (q *interview) sandboxes() error {
	list, err := q.runtime.ListPodSandbox(q.ctx, nil)
	q.state.Sandboxes = len(list)
	return err
}

func (q *interview) containers() error {
	list, err := q.runtime.ListContainers(q.ctx, &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_CREATED}})
	for _, c := range list {
		if c.State == runtimeapi.ContainerState_CONTAINER_CREATED && q.now.Sub(time.Unix(0, c.CreatedAt)) > stuckAfter {
			q.state.Stuck++
		}
	}
	return err
}
