package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
)

// controlFlags steer a run under way. Each is an annotation on the Pool.
type controlFlags struct {
	pause, resume, abort, rollback, approve bool
}

func (f *controlFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.pause, "pause", false, "take no node, evict nothing and end no machine until --resume")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on after --pause")
	cmd.Flags().BoolVar(&f.abort, "abort", false, "end the run: what it cordoned is given back")
	cmd.Flags().BoolVar(&f.rollback, "rollback", false, "turn the pool back to the release before")
	cmd.Flags().BoolVar(&f.approve, "approve", false, "open the approval gates of the run under way")
}

// chosen are the names of the flags that were given.
func (f controlFlags) chosen() []string {
	var out []string
	for _, c := range []struct {
		name string
		set  bool
	}{{"--pause", f.pause}, {"--resume", f.resume}, {"--abort", f.abort}, {"--rollback", f.rollback}, {"--approve", f.approve}} {
		if c.set {
			out = append(out, c.name)
		}
	}
	return out
}

// check refuses two wishes at once.
func (f controlFlags) check(to string) error {
	chosen := f.chosen()
	if to != "" && len(chosen) > 0 {
		chosen = append(chosen, "--to")
	}
	if len(chosen) > 1 {
		return usage(fmt.Errorf("%s: choose one", strings.Join(chosen, " and ")))
	}
	return nil
}

// control annotates the Pool; request is what a wait is about, "" if there is
// nothing to wait for.
func (g *globals) control(ctx context.Context, c client.Client, target client.Object, f controlFlags) (key, value string, err error) {
	pool, ok := target.(*v1alpha1.Pool)
	if !ok {
		return "", "", usage(fmt.Errorf("%s is a node, and %s is for pools", target.GetName(), f.chosen()[0]))
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	run := pool.Status.Cycle
	switch {
	case f.pause:
		key, value = v1alpha1.AnnotationPause, "true"
	case f.resume:
		key = v1alpha1.AnnotationPause
	case run == nil && !f.rollback:
		return "", "", &failure{exitNo, fmt.Errorf("no run is under way in pool %s", pool.Name), []string{"tidemill status shows what is happening"}}
	case f.abort:
		key, value = v1alpha1.AnnotationAbort, now
	case f.rollback:
		key, value = v1alpha1.AnnotationRollback, now
	case f.approve:
		key, value = v1alpha1.AnnotationApprove, run.StartedAt.UTC().Format(time.RFC3339)
	}
	if value == "" {
		if err = unask(ctx, c, target, key); err == nil {
			fmt.Fprintf(g.stderr, "taken off: %s on %s\n", key, pool.Name)
		}
	} else if err = ask(ctx, c, target, key, value); err == nil {
		fmt.Fprintf(g.stderr, "asked: %s=%s on %s\n", key, value, pool.Name)
	}
	if f.abort || f.approve { // what is waited for is the run, whoever asked for it
		key, value, _ = strings.Cut(run.Request, "=")
	}
	return key, value, err
}

// unask takes an annotation off and nothing else.
func unask(ctx context.Context, c client.Client, target client.Object, key string) error {
	next := target.DeepCopyObject().(client.Object)
	annotations := next.GetAnnotations()
	delete(annotations, key)
	next.SetAnnotations(annotations)
	if err := c.Patch(ctx, next, client.MergeFrom(target)); err != nil {
		return fmt.Errorf("annotate %s: %w", target.GetName(), err)
	}
	return nil
}

// errNoWait is for flags after which there is nothing to wait for.
var errNoWait = errors.New("--wait has nothing to wait for")

// steer carries out a control flag, and waits for the run if that was asked.
func (g *globals) steer(ctx context.Context, c client.Client, target client.Object, f cycleFlags) error {
	if f.wait && (f.pause || f.resume) {
		return usage(errNoWait, "a pool pauses at once")
	}
	key, value, err := g.control(ctx, c, target, f.controlFlags)
	if err != nil || !f.wait {
		return err
	}
	watch := poolWatch(c, target.GetName(), key, value, "")
	if f.abort {
		watch = untilAborted(watch)
	}
	return g.await(ctx, f.timeout, target.GetName(), watch)
}

// untilAborted is a watch of whoever wants the run to end: that it was aborted is what
// was asked for.
func untilAborted(look watcher) watcher {
	return func(ctx context.Context) (outlook, error) {
		o, err := look(ctx)
		o.ok = o.ok || o.done && strings.HasPrefix(o.text, cycle.Aborted)
		return o, err
	}
}
