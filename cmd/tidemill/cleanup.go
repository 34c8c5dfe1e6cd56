package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/kube"
)

const cleanupLong = `Cleanup takes every mark of tidemill's off the nodes, at the end of its use:
annotations, taints, the conditions TidemillNodeProblem and TidemillHostProblem,
requests of the doctor's, and cordons that tidemill set. What you set yourself
stays, and what tidemill changed gets back what stood there before.

Stop the daemon first, or it marks the nodes again: while the Lease of a daemon
is held, nothing is removed. Delete the Pools, their definition and the daemon
with kubectl afterwards.`

const cleanupExample = `  # what would be removed
  %[1]s cleanup --dry-run
  kubectl -n tidemill-system scale deployment tidemill --replicas 0
  %[1]s cleanup`

type cleanupFlags struct {
	dryRun    bool
	namespace string
}

func newCleanup(g *globals) *cobra.Command {
	var f cleanupFlags
	cmd := &cobra.Command{
		Use: "cleanup", Short: "take every mark off the nodes, before it is uninstalled", Long: cleanupLong,
		Example: fmt.Sprintf(cleanupExample, g.name), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.cleanup(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be removed, and remove nothing")
	cmd.Flags().StringVar(&f.namespace, "namespace", ownNamespace(), "namespace of the daemon's Lease")
	return cmd
}

func (g *globals) cleanup(ctx context.Context, f cleanupFlags) error {
	quietLogs()
	config, err := g.restConfig(kube.ConfigOptions{})
	if err != nil {
		return err
	}
	scheme, err := kube.NewScheme()
	if err != nil {
		return err
	}
	// Not connect: the definition of Pools may be gone already.
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return blind(fmt.Errorf("open API server %s: %w", config.Host, err))
	}
	s, err := sweepNodes(ctx, c, f, time.Now())
	if err != nil {
		return err
	}
	if g.structured() {
		err = g.print(s)
	} else {
		err = s.write(g.stdout)
	}
	if err == nil && s.failed() > 0 {
		return no()
	}
	return err
}

// sweep is what cleanup did, or would do.
type sweep struct {
	DryRun bool        `json:"dryRun"`
	Nodes  []sweptNode `json:"nodes"`
	all    int
}

type sweptNode struct {
	Node  string   `json:"node"`
	Marks []string `json:"marks"`
	Error string   `json:"error,omitempty"`
}

func sweepNodes(ctx context.Context, c client.Client, f cleanupFlags, now time.Time) (sweep, error) {
	s := sweep{DryRun: f.dryRun, Nodes: []sweptNode{}}
	if !f.dryRun {
		if err := idle(ctx, c, f.namespace, now); err != nil {
			return s, err
		}
	}
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return s, blind(fmt.Errorf("list nodes: %w", err))
	}
	s.all = len(nodes.Items)
	for i := range nodes.Items {
		n := &nodes.Items[i]
		marks := kube.Marks(n)
		if len(marks) == 0 {
			continue
		}
		swept := sweptNode{Node: n.Name, Marks: marks}
		if !f.dryRun {
			if err := cleanse(ctx, c, n); err != nil {
				swept.Error = err.Error()
			}
		}
		s.Nodes = append(s.Nodes, swept)
	}
	return s, nil
}

// cleanse tries again on a Node that changed meanwhile; one that is gone is
// clean.
func cleanse(ctx context.Context, c client.Client, n *corev1.Node) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		err := kube.Cleanse(ctx, c, n)
		if apierrors.IsConflict(err) {
			return errors.Join(err, c.Get(ctx, client.ObjectKeyFromObject(n), n))
		}
		return err
	})
	return client.IgnoreNotFound(err)
}

// idle refuses while a daemon leads.
func idle(ctx context.Context, c client.Client, namespace string, now time.Time) error {
	var l coordinationv1.Lease
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "tidemill"}, &l)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return blind(fmt.Errorf("get Lease tidemill in %s: %w", namespace, err))
	}
	if asTold(now)(&l) {
		return &failure{exitNo, fmt.Errorf("the daemon runs: %s holds the Lease tidemill in %s", holder(&l).identity, namespace),
			[]string{"stop it first: kubectl -n " + namespace + " scale deployment tidemill --replicas 0"}}
	}
	return nil
}

func (s sweep) failed() int {
	count := 0
	for _, n := range s.Nodes {
		if n.Error != "" {
			count++
		}
	}
	return count
}

func (s sweep) write(w io.Writer) error {
	var b strings.Builder
	verb := "removed"
	if s.DryRun {
		verb = "would be removed"
	}
	for _, n := range s.Nodes {
		what := verb
		if n.Error != "" {
			what = "NOT removed: " + n.Error
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", n.Node, strings.Join(n.Marks, ", "), what)
	}
	fmt.Fprintf(&b, "%d of %d nodes carried marks; %d could not be cleaned\n", len(s.Nodes), s.all, s.failed())
	_, err := io.WriteString(w, b.String())
	return err
}
