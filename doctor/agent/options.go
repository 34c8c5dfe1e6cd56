package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/cri"
)

// Options are the flags of "doctor host", in either binary.
type Options struct {
	Root, State, Name       string
	Probe, Runtime, Oracle  bool
	Every                   time.Duration
	Publish                 bool
	Brief, WriteTo, Bundled string
	Files                   bool
}

// Register adds the flags.
func (o *Options) Register(f *pflag.FlagSet) {
	f.StringVar(&o.Root, "root", "/", "`directory` where the host's / is mounted")
	f.StringVar(&o.State, "state", "", "`file` that keeps counters from one run to the next; without it they are told since boot")
	f.StringVar(&o.Name, "name", os.Getenv("NODE_NAME"), "what to call the host: its Node's name (default: its own; env NODE_NAME)")
	f.BoolVar(&o.Probe, "probe", false, "ask the network too: metadata service, registry, name servers, API server, time server")
	f.BoolVar(&o.Runtime, "runtime", false, "ask the container runtime too, over its socket below --root")
	f.BoolVar(&o.Oracle, "oracle-script", false, "run Oracle's own node-doctor.sh on the host too; needs root of the host")
	f.DurationVar(&o.Every, "every", 0, "examine again and again, this long apart, until told to stop")
	f.BoolVar(&o.Publish, "publish", false, "with --every: write condition TidemillHostProblem on the Node --name")
	f.StringVar(&o.WriteTo, "write", "", "`file` that gets the report instead of stdout, whole or not at all; with --every after each round")
	f.StringVar(&o.Brief, "brief", "", "`file` that gets what fails in 4096 bytes at most, for a container's termination message")
	f.BoolVar(&o.Files, "files", false, "print the host's files after the report, one JSON object each: what a bundle is made of")
	f.StringVar(&o.Bundled, "bundle", "", "`directory` that gets an archive for a support case")
}

// Check refuses combinations that make no sense.
func (o *Options) Check() error {
	switch {
	case o.Publish && o.Every == 0:
		return errors.New("--publish needs --every: what one run writes grows stale, and nothing takes it back")
	case o.Publish && o.Name == "":
		return errors.New("--publish needs --name, or NODE_NAME: whose Node is it?")
	case o.Every != 0 && o.Every < time.Second:
		return fmt.Errorf("--every %s is too short: a second or more, a minute is usual", o.Every)
	case o.Every != 0 && (o.Bundled != "" || o.Files):
		return errors.New("--bundle and --files are for one run, --every makes many: give one of them")
	}
	return nil
}

// Host are the options of the examination itself.
func (o *Options) Host() doctor.HostOptions {
	h := doctor.HostOptions{Root: o.Root, State: o.State, Name: o.Name}
	if o.Probe {
		h.Probes = doctor.NewProbes()
	}
	if o.Runtime {
		h.Runtime = cri.At(o.Root)
	}
	if o.Oracle {
		h.Oracle = func(ctx context.Context) ([]byte, error) { return oracleScript(ctx, o.Root) }
	}
	return h
}

// Resident makes rounds until ctx ends. config is the way to the API server,
// asked for only with Publish.
func (o *Options) Resident(ctx context.Context, config func() (*rest.Config, error), format string, log *slog.Logger) error {
	a := &Agent{Rounds: doctor.NewRounds(o.Host()), Every: o.Every, Node: o.Name, Log: log}
	if o.Publish {
		c, err := config()
		if err != nil {
			return err
		}
		if a.Client, err = Connect(c); err != nil {
			return err
		}
	}
	if o.WriteTo != "" {
		a.Report = func(r doctor.Report) error {
			return WriteFile(o.WriteTo, func(w io.Writer) error { return r.Write(w, format) })
		}
	}
	return a.Run(ctx)
}

// WriteFile replaces a file, or leaves it as it was: a reader never sees half.
func WriteFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
