package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/agent"
	"github.com/tidemill/tidemill/doctor/bundle"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
)

const hostLong = `Host examines a node from within: file systems, memory, kernel, clock, network,
hardware, and the kernel's log where it may read it. It reads files below --root
and runs no command; in a pod, mount the node's root read-only. What it may not
read is Unknown, never fine.

More is asked only on request: --probe asks the network, --runtime the container
runtime, --oracle-script runs Oracle's own script. With --state, counters are
compared with the last run. With --every it stays and examines again and again,
and with --publish tells its Node.`

const hostExample = `  %[1]s doctor host
  %[1]s doctor host --root /host -o json
  # every minute, for node_exporter
  %[1]s doctor host --every 1m -o prometheus --write /var/lib/node_exporter/tidemill.prom
  # for a support case
  %[1]s doctor host --bundle .`

func newDoctorHost(g *globals, f *doctorFlags) *cobra.Command {
	var o agent.Options
	cmd := &cobra.Command{
		Use: "host", Short: "examine the machine this runs on", Args: cobra.NoArgs,
		Long: hostLong, Example: fmt.Sprintf(hostExample, g.name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return usage(err)
			}
			if o.Every > 0 {
				return g.resident(cmd.Context(), &o)
			}
			return cannotLook(g.examineHost(cmd.Context(), f, &o))
		},
	}
	o.Register(cmd.Flags())
	return cmd
}

// resident is the agent on a node.
func (g *globals) resident(ctx context.Context, o *agent.Options) error {
	log, err := g.logger(g.stderr)
	if err != nil {
		return err
	}
	quietLogs()
	way := func() (*rest.Config, error) { return g.restConfig(kube.ConfigOptions{}) }
	return o.Resident(ctx, way, g.output, log)
}

// examineHost is one examination. What it is asked to write comes first: a
// failure found is no reason to leave a file unwritten.
func (g *globals) examineHost(ctx context.Context, f *doctorFlags, o *agent.Options) error {
	level, err := f.level()
	if err != nil {
		return err
	}
	r, err := o.Examine(ctx)
	if err != nil {
		fmt.Fprintf(g.stderr, "warning: %s\n", plain.Line(err.Error())) // the report is whole without it
	}
	if r.Err != "" {
		return blind(errors.New(r.Err))
	}
	if o.Bundled != "" {
		if err := g.bundleHost(o, r); err != nil {
			return err
		}
	}
	if o.WriteTo != "" || o.Files {
		r, _ = r.Ignore(f.ignore...)
		if err := o.Print(g.stdout, r, g.output); err != nil {
			return err
		}
		return verdict(r, level)
	}
	return g.tell(r, f, level)
}

func (g *globals) bundleHost(o *agent.Options, r doctor.Report) error {
	h, err := doctor.OpenHost(o.Root)
	if err != nil {
		return blind(err)
	}
	return g.writeBundle(o.Bundled, r.Nodes[0].Node, bundle.NewRedactor(), append([]bundle.File{reportFile(r)}, bundle.Collect(o.Root, h.Kmsg)...))
}

func reportFile(r doctor.Report) bundle.File {
	var b strings.Builder
	f := bundle.File{Name: "report.json"}
	if err := r.WriteJSON(&b); err != nil {
		f.Err = err.Error()
	}
	f.Data = []byte(b.String())
	return f
}

// writeBundle writes one archive and says where. A bundle is for others' eyes,
// but only for those it is given to.
func (g *globals) writeBundle(dir, node string, r *bundle.Redactor, files []bundle.File) error {
	now := time.Now()
	path := filepath.Join(dir, fmt.Sprintf("doctor-%s-%s.tar.zst", fileName(node), now.UTC().Format("20060102T150405Z")))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := errors.Join(bundle.Write(f, node, thisBuild().Version, now, files, r), f.Close()); err != nil {
		os.Remove(path)
		return err
	}
	fmt.Fprintf(g.stderr, "wrote %s\n", path)
	return nil
}

// fileName is a node's name as a part of a file's: a node may call itself
// anything.
func fileName(node string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.TrimLeft(node, "."))
}
