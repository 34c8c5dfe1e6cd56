package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

const cycleLong = `Cycle asks for the replacement of every node of a pool, or of one node. With
--to the pool gets the newest image of that Kubernetes version first, and the
nodes that run something else are replaced.

It sets an annotation, as you could by hand; the daemon does the work, within
the pool's surge and its PodDisruptionBudgets. Without --wait the command returns
at once. Ending the wait does not end the run.

--pause, --resume, --abort, --rollback and --approve steer a run under way, each
by an annotation too.`

const cycleExample = `  # turn a pool over to a new version and watch
  %[1]s cycle workers --to v1.35.0 --wait
  # replace every node once
  %[1]s cycle workers
  # replace one node; "pool/" and "node/" tell names apart that are both
  %[1]s cycle node/10.0.1.7 --wait --timeout 30m
  # turn the pool back to what it ran before
  %[1]s cycle workers --rollback --wait`

type cycleFlags struct {
	to      string
	wait    bool
	timeout time.Duration
	controlFlags
}

func newCycle(g *globals) *cobra.Command {
	var f cycleFlags
	cmd := &cobra.Command{
		Use: "cycle POOL|NODE", Short: "turn a pool or a node over", Long: cycleLong,
		Example: fmt.Sprintf(cycleExample, g.name), Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error { return g.cycle(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.to, "to", "", "Kubernetes `version` to turn the pool over to, such as v1.35.0")
	cmd.Flags().BoolVarP(&f.wait, "wait", "w", false, "show progress until it has succeeded or was refused")
	f.add(cmd)
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "longest wait; 0 waits for as long as it takes")
	return cmd
}

func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one pool or one node, not %d", len(args))
	}
	return nil
}

var versionShape = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

func (f cycleFlags) check() error {
	switch {
	case f.to != "" && !versionShape.MatchString(f.to):
		return usage(fmt.Errorf("--to %q is not a version", f.to), "it looks like v1.35.0")
	case f.timeout < 0:
		return usage(fmt.Errorf("--timeout %s is negative", f.timeout))
	case f.timeout > 0 && !f.wait:
		return usage(errors.New("--timeout without --wait"))
	}
	return f.controlFlags.check(f.to)
}

func (g *globals) cycle(ctx context.Context, name string, f cycleFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	c, err := g.connect(ctx)
	if err != nil {
		return err
	}
	target, err := resolve(ctx, c.client, name)
	if err != nil {
		return err
	}
	if len(f.chosen()) > 0 {
		return g.steer(ctx, c.client, target, f)
	}
	key, value := v1alpha1.AnnotationCycle, time.Now().UTC().Format(time.RFC3339Nano)
	if f.to != "" {
		if _, ok := target.(*v1alpha1.Pool); !ok {
			return usage(fmt.Errorf("%s is a node, and --to is for pools", name), "the pool's release is what a node's replacement gets")
		}
		key, value = v1alpha1.AnnotationUpgradeTo, f.to
	}
	if err := allowed(ctx, c.client, target); err != nil {
		return err
	}
	if err := g.reopen(ctx, c.client, target, key, value); err != nil {
		return err
	}
	if err := ask(ctx, c.client, target, key, value); err != nil {
		return err
	}
	fmt.Fprintf(g.stderr, "asked: %s=%s on %s\n", key, value, target.GetName())
	if !f.wait {
		return nil
	}
	watcher := poolWatch(c.client, target.GetName(), key, value, f.to)
	if node, ok := target.(*corev1.Node); ok {
		watcher = nodeWatch(c.client, node, value)
	}
	return g.await(ctx, f.timeout, target.GetName(), watcher)
}

// resolve finds the Pool or Node that name means.
func resolve(ctx context.Context, c client.Reader, name string) (client.Object, error) {
	kind, bare, ok := strings.Cut(name, "/")
	if !ok {
		kind, bare = "", name
	}
	var pool v1alpha1.Pool
	var node corev1.Node
	find := func(o client.Object, want string) (bool, error) {
		if kind != "" && kind != want {
			return false, nil
		}
		err := c.Get(ctx, client.ObjectKey{Name: bare}, o)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("get %s %s: %w", want, bare, err)
		}
		return true, nil
	}
	isPool, err := find(&pool, "pool")
	if err != nil {
		return nil, err
	}
	isNode, err := find(&node, "node")
	switch {
	case err != nil:
		return nil, err
	case isPool && isNode:
		return nil, usage(fmt.Errorf("%q is a pool and a node", bare), fmt.Sprintf("say pool/%s or node/%s", bare, bare))
	case isPool:
		return &pool, nil
	case isNode:
		return &node, nil
	}
	return nil, &failure{exitNo, fmt.Errorf("there is no pool or node %q", name), []string{"tidemill status lists the pools, kubectl get nodes the nodes"}}
}

// virtualPool begins the OCID of a virtual node pool.
const virtualPool = "ocid1.virtualnodepool."

// allowed refuses at once what the daemon would refuse: there are no machines, or
// cycling is off.
func allowed(ctx context.Context, c client.Reader, target client.Object) error {
	pool, ok := target.(*v1alpha1.Pool)
	if !ok {
		var err error
		if pool, err = poolOf(ctx, c, target.(*corev1.Node)); err != nil || pool == nil {
			return err
		}
	}
	if strings.HasPrefix(pool.Status.NodePoolID, virtualPool) {
		return &failure{exitNo, fmt.Errorf("pool %s is a virtual one: it has no machines that could be renewed", pool.Name),
			[]string{"Oracle keeps virtual nodes up to date; delete a pod and it starts on a new one"}}
	}
	if s := pool.Spec.Cycle; s == nil || s.Mode == v1alpha1.CycleOff {
		return &failure{exitNo, fmt.Errorf("cycling is off for pool %s", pool.Name), []string{fmt.Sprintf(
			`switch it on with: kubectl patch pool %s --type merge -p '{"spec":{"cycle":{"mode":"OnDemand"}}}'`, pool.Name)}}
	}
	return nil
}

// poolOf is the Pool whose node pool the node says to be of; nil if none.
func poolOf(ctx context.Context, c client.Reader, n *corev1.Node) (*v1alpha1.Pool, error) {
	var pools v1alpha1.PoolList
	if err := c.List(ctx, &pools); err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	for i := range pools.Items {
		if id := pools.Items[i].Status.NodePoolID; id != "" && id == n.Annotations[v1alpha1.AnnotationNodePoolID] {
			return &pools.Items[i], nil
		}
	}
	return nil, nil
}

// ask sets the annotation and nothing else.
func ask(ctx context.Context, c client.Client, target client.Object, key, value string) error {
	next := target.DeepCopyObject().(client.Object)
	annotations := next.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	next.SetAnnotations(annotations)
	if err := c.Patch(ctx, next, client.MergeFrom(target)); err != nil {
		return fmt.Errorf("annotate %s: %w", target.GetName(), err)
	}
	return nil
}
