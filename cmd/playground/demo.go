package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/e2e"
)

// demoFlags are those of the command demo.
type demoFlags struct {
	tidemill string
	ci, keep bool
	only     []string
	metrics  string
}

const demoLong = `Demo starts an OKE cluster of three node pools on this machine, starts the
tidemill daemon beside it as a process and a service account of its own, and
tells the story of its three verbs. Each step says what was checked. Meanwhile
somebody watches from outside that no promise is broken.

At a terminal the cluster stays up afterwards and you may try things; ctrl-C
ends it and leaves nothing behind. With --ci, or without a terminal, the
command ends by itself: 0 when the whole story held, 1 with the step that did
not.`

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use: "demo", Short: "tell the whole story on a cluster of its own", Long: demoLong,
		Example: "  playground demo --tidemill bin/tidemill\n  playground demo --tidemill bin/tidemill --ci --only a,d",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&f.tidemill, "tidemill", "", "the tidemill `binary` (default: beside this one, then in PATH)")
	cmd.Flags().BoolVar(&f.ci, "ci", false, "end when the story ends, also at a terminal")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "keep the logs also when all went well")
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "tell only these steps (`a,b,...`)")
	cmd.Flags().StringVar(&f.metrics, "metrics-address", "", "`address` where the daemon serves /metrics, for a Prometheus of yours (default: nowhere)")
	return cmd
}

// demo tells the story and returns nil when it held, or when ctrl-C ended the
// time after it.
func demo(ctx context.Context, f demoFlags, out io.Writer) error {
	steps, err := e2e.Pick(f.only)
	if err != nil {
		return err
	}
	binary, err := findTidemill(f.tidemill)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tidemill-demo-")
	if err != nil {
		return fmt.Errorf("make directory for logs: %w", err)
	}
	t := newTeller(out)
	defer t.close()
	err = perform(ctx, t, steps, e2e.Options{Tidemill: binary, Dir: dir, MetricsAddress: f.metrics}, !f.ci && t.live)
	if err == nil || ctx.Err() != nil {
		if !f.keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return errors.New("the story was interrupted; nothing is left of it")
		}
		return err
	}
	t.logs(dir)
	return err
}

// perform opens the cluster, tells the story and, if it is to stay, waits.
func perform(ctx context.Context, t *teller, steps []e2e.Step, o e2e.Options, stay bool) (err error) {
	begin := time.Now()
	setUp := e2e.Step{ID: " ", Title: "an OKE cluster with tidemill in it"}
	t.begin(setUp)
	o.Say = func(text string) { t.say(setUp, text) }
	env, err := e2e.Open(ctx, o)
	if err != nil {
		t.end(e2e.Outcome{Step: setUp, Took: time.Since(begin), Err: err})
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	t.end(e2e.Outcome{Step: setUp, Took: time.Since(begin), Checked: []string{opened(env)}})
	figures, err := e2e.Tell(ctx, env, steps, e2e.Listener{Begin: t.begin, Say: t.say, End: t.end})
	if err != nil {
		return err
	}
	t.figures(figures.Lines(), time.Since(begin))
	if stay {
		t.invite(env, o.Tidemill)
		<-ctx.Done()
		t.println("\nending the cluster")
	}
	return nil
}

func opened(env *e2e.Env) string {
	var pools []string
	for _, p := range env.Sim.Pools() {
		pools = append(pools, fmt.Sprintf("%s (%s, %d)", p.Name, p.Shape, p.Size))
	}
	return fmt.Sprintf("control plane and first nodes ready in %.1f s; pools %s; the daemon runs as its service account",
		env.Started.Seconds(), strings.Join(pools, ", "))
}

// findTidemill is the binary to demonstrate.
func findTidemill(path string) (string, error) {
	if path == "" {
		path = "tidemill"
		if own, err := os.Executable(); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(own), path)); err == nil {
				path = filepath.Join(filepath.Dir(own), path)
			}
		}
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return "", fmt.Errorf("find tidemill: %w\nhint: make build puts it into bin/; name it with --tidemill", err)
	}
	return found, nil
}
