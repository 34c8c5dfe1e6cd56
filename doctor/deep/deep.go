// Package deep examines nodes from within, by a visit of one short-lived pod to
// each.
//
//	             ┌─ node 1: pod ─ "tidemill doctor host --root /host" ─ log ─┐
//	nodes ─► gate┼─ node 2: pod ───────────────────────────────────────── log ┼─► Findings
//	(parallel)   └─ node 3: vanished ───────────────────────────────── reason ┘
//
// What the API knows of a node is little, and what an SSH session finds out is
// much and needs SSH. A pod that is placed on the node (not scheduled: a node
// that is cordoned, full or not Ready is the one that is asked about) reads what
// its [Privilege] allows, prints one report, and is gone.
//
// It leaves nothing behind, however it ends. A visit deletes its pod; a visitor
// that is killed leaves one that ends itself (activeDeadlineSeconds), and whose
// annotation says from when on the next run may sweep it away. The pod has no
// token, no Secret and no owner, writes nothing on the host below
// [PrivilegeFull], and is asked for nothing but its log.
//
// The log comes from a machine that may be sick or hostile: it is cut, parsed
// strictly, and only findings of checks that exist are taken, under the name of
// the node that was visited.
package deep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/bundle"
)

// Options say how nodes are visited.
type Options struct {
	// Client talks to the API server; Logs may be replaced where there is no
	// kubelet to ask.
	Client kubernetes.Interface
	Logs   func(ctx context.Context, namespace, pod string) ([]byte, error)
	// Namespace must admit privileged pods: a hostPath is one to Pod Security.
	Namespace string
	// Image has tidemill as its entrypoint.
	Image     string
	Privilege Privilege
	// Files asks for the host's files too, for a bundle.
	Files bool
	// Parallel is how many nodes are visited at a time. Default 10.
	Parallel int
	// Timeout bounds one visit, from the pod's creation to its end. Default 2m: an
	// image that is not there yet must be pulled.
	Timeout time.Duration
	// Poll is how often a pod is looked at. Default one second.
	Poll time.Duration
}

// defaults of Options.
const (
	DefaultNamespace = "tidemill-doctor"
	defaultParallel  = 10
	defaultTimeout   = 2 * time.Minute
)

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Logs == nil {
		o.Logs = logsOf(o.Client)
	}
	return o
}

// Visit is what came of one node: findings, or why there are none.
type Visit struct {
	Node     string
	Findings []doctor.Finding
	// Files are the host's, if they were asked for; nothing of them is redacted.
	Files []bundle.File
	Err   error
}

// Why a visit has no findings; errors.Is tells them apart.
var (
	ErrVanished = errors.New("the node or its pod vanished")
	ErrTimedOut = errors.New("the pod did not end in time")
	ErrRefused  = errors.New("the pod was refused")
	ErrNoReport = errors.New("the pod gave no report")
	ErrNoHost   = errors.New("a virtual node has no host")
)

// Examine visits the nodes and gives a Visit for each, in their order. One that
// fails stops no other. An error means that no node can be visited at all.
// Whatever pods an earlier run left are swept away first.
func Examine(ctx context.Context, o Options, nodes []*corev1.Node) ([]Visit, error) {
	o = o.withDefaults()
	if o.Image == "" {
		return nil, errors.New("visit nodes: no image is named")
	}
	if _, err := Sweep(ctx, o.Client, o.Namespace, time.Now()); err != nil {
		return nil, err
	}
	visits := make([]Visit, len(nodes))
	gate := make(chan struct{}, o.Parallel)
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			visits[i] = o.visit(ctx, n)
		})
	}
	all.Wait()
	return visits, nil
}

// visit is one node's pod from its creation to its deletion.
func (o Options) visit(ctx context.Context, n *corev1.Node) Visit {
	v := Visit{Node: n.Name}
	if virtual(n) {
		v.Err = ErrNoHost
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	pod, err := o.create(ctx, n)
	switch {
	case apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err):
		v.Err = fmt.Errorf("%w: %w", ErrRefused, err)
		return v
	case err != nil:
		v.Err = fmt.Errorf("create pod: %w", err)
		return v
	}
	defer o.leave(ctx, pod)
	ended, err := o.await(ctx, pod)
	if err != nil {
		v.Err = err
		return v
	}
	v.Findings, v.Files, v.Err = o.report(ctx, n, ended)
	return v
}

// create makes the pod. One that is called off in the middle waits for the answer
// all the same: the pod may stand by then, and its name is in the answer alone.
func (o Options) create(ctx context.Context, n *corev1.Node) (*corev1.Pod, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return o.Client.CoreV1().Pods(o.Namespace).Create(ctx, o.pod(n, time.Now()), metav1.CreateOptions{})
}

// leave deletes the pod, also when the visit was called off.
func (o Options) leave(ctx context.Context, pod *corev1.Pod) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// One that cannot be deleted ends by its deadline and is swept by the next run.
	_ = o.Client.CoreV1().Pods(o.Namespace).Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
}

// await waits for the end of the pod's container.
func (o Options) await(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	tick := time.NewTicker(o.Poll)
	defer tick.Stop()
	last := pod
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s", ErrTimedOut, standing(last))
		case <-tick.C:
		}
		now, err := o.Client.CoreV1().Pods(o.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) || err == nil && (now.UID != pod.UID || now.DeletionTimestamp != nil):
			return nil, fmt.Errorf("%w: %s", ErrVanished, standing(last))
		case err != nil:
			continue // the API server may be away for a moment; the time-out bounds it
		}
		if last = now; ended(now) {
			return now, nil
		}
		if why := hopeless(now); why != "" {
			return nil, fmt.Errorf("%w: %s", ErrRefused, why)
		}
	}
}
