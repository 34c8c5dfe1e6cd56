package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
	"github.com/tidemill/tidemill/manifests"
)

const upLong = `Up starts an OKE cluster of three node pools (x86 over three availability
domains, Arm, GPU with no node) and keeps it until ctrl-C. Tidemill's CRD and
RBAC are installed; tidemill itself is yours to start.

Every port is free-chosen, so several clusters run side by side. Everything is
in one directory; without --dir or --keep it is gone afterwards.`

type upFlags struct {
	dir, name, output string
	keep, verbose     bool
	launch, grace     time.Duration
}

func newUp() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use: "up", Short: "run a cluster until ctrl-C", Long: upLong, Args: cobra.NoArgs,
		Example: "  playground up\n  playground up --dir ./cluster --launch-time 20s\n  playground up --output json | jq -r .kubeconfig",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "", "empty or new `directory` for everything (default: a temporary one)")
	flags.BoolVar(&f.keep, "keep", false, "keep the temporary directory, with the logs in it")
	flags.StringVar(&f.name, "name", "playground", "name of the OKE cluster")
	flags.DurationVar(&f.launch, "launch-time", 3*time.Second, "time from a resize to a node that registers")
	flags.DurationVar(&f.grace, "node-monitor-grace", 8*time.Second, "how long a node may be silent before it is NotReady")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "let the components say more in the log")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

func up(ctx context.Context, f upFlags, stdout, stderr io.Writer) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if f.keep && f.dir == "" {
		if f.dir, err = os.MkdirTemp("", playground.DirPrefix); err != nil {
			return err
		}
	}
	fmt.Fprintln(stderr, "starting a cluster (a few seconds)")
	begin := time.Now()
	cluster, err := playground.Start(ctx, playground.Options{
		Dir: f.dir, Name: f.name, Verbose: f.verbose, Latency: launchTime(f.launch), NodeMonitorGrace: f.grace,
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return errors.New("interrupted before the cluster was up")
	case err != nil:
		return err
	}
	defer cluster.Stop()
	admin, err := furnish(ctx, cluster)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := placeOf(cluster).print(stdout, f.output, time.Since(begin)); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(stderr, "stopping")
	return nil
}

func (f upFlags) check() error {
	switch {
	case f.output != "text" && f.output != "json":
		return usageError{fmt.Errorf("output %q is neither text nor json", f.output)}
	case f.launch <= 0 || f.grace < time.Second:
		return usageError{fmt.Errorf("launch time %v and node monitor grace %v must be positive, the latter a second or more", f.launch, f.grace)}
	}
	return nil
}

// furnish installs what tidemill needs, opens the door for orders, and writes
// the environment file last: who waits for it finds everything in place.
func furnish(ctx context.Context, c *playground.Cluster) (io.Closer, error) {
	for _, text := range [][]byte{manifests.CRD(), manifests.Namespace(), manifests.RBAC()} {
		if err := c.Apply(ctx, text); err != nil {
			return nil, err
		}
	}
	admin, err := serveAdmin(c)
	if err != nil {
		return nil, err
	}
	if err := placeOf(c).writeEnv(filepath.Join(c.Dir(), "env")); err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	return admin, nil
}

// launchTime splits a launch into the stages that the cloud has.
func launchTime(total time.Duration) okesim.Latency {
	return okesim.Latency{Accept: total / 20, Provision: total * 9 / 20, Boot: total / 2, Terminate: total / 4}
}

// A place is where a running cluster can be reached.
type place struct {
	Dir         string `json:"dir"`
	Kubeconfig  string `json:"kubeconfig"`
	OCIConfig   string `json:"ociConfig"`
	OCIEndpoint string `json:"ociEndpoint"`
	Cluster     string `json:"clusterId"`
	Compartment string `json:"compartmentId"`
}

func placeOf(c *playground.Cluster) place {
	return place{c.Dir(), c.Kubeconfig(), c.OCIConfig(), c.OCIEndpoint(), c.ClusterID(), c.CompartmentID()}
}

// variables are what tidemill and kubectl read from the environment.
func (p place) variables() [][2]string {
	return [][2]string{
		{"KUBECONFIG", p.Kubeconfig},
		{"TIDEMILL_OCI_CONFIG", p.OCIConfig},
		{"TIDEMILL_OCI_ENDPOINT", p.OCIEndpoint},
		{"TIDEMILL_CLUSTER_ID", p.Cluster},
		{"TIDEMILL_COMPARTMENT_ID", p.Compartment},
	}
}

func (p place) writeEnv(path string) error {
	var text []byte
	for _, v := range p.variables() {
		text = fmt.Appendf(text, "export %s='%s'\n", v[0], v[1])
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	return nil
}

func (p place) print(w io.Writer, format string, took time.Duration) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(p)
	}
	_, err := fmt.Fprintf(w, `the cluster is up (%.1f s)

  kubeconfig    %s
  OCI config    %s
  OCI endpoint  %s
  cluster       %s
  compartment   %s
  logs          %s

Try in another terminal:

  . %[7]s/env                 the above as environment variables
  tidemill status             how the pools are
  tidemill run                the daemon
  kubectl get nodes           if you have kubectl
  playground fault NODE DiskPressure
  playground capacity VM.Standard.E4.Flex AD-1 0

ctrl-C ends it.
`, took.Seconds(), p.Kubeconfig, p.OCIConfig, p.OCIEndpoint, p.Cluster, p.Compartment, p.Dir)
	return err
}
