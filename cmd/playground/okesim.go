package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

const okesimLong = `Okesim serves the emulated OCI API alone (Container Engine, Compute and Identity
on one address), with a cluster and three node pools in it, until ctrl-C. Point
any OCI client at it. Calls must be signed with the key of the OCI config file
that it writes.`

type okesimFlags struct {
	listen, dir, control string
	tls                  bool
	launch               time.Duration
}

func newOkesim() *cobra.Command {
	var f okesimFlags
	cmd := &cobra.Command{
		Use: "okesim", Short: "serve only the emulated OCI API", Long: okesimLong, Args: cobra.NoArgs,
		Example: "  playground okesim --listen 127.0.0.1:8090\n  playground okesim --tls --dir ./oci",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveOkesim(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 picks a free one")
	cmd.Flags().BoolVar(&f.tls, "tls", false, "serve HTTPS with a certificate of its own")
	cmd.Flags().StringVar(&f.dir, "dir", "", "`directory` for the OCI config and the certificate (default: a temporary one)")
	cmd.Flags().StringVar(&f.control, "control", "", "`address` to take orders at, unsigned: faults, capacity, lost hosts (default: none)")
	cmd.Flags().DurationVar(&f.launch, "launch-time", 3*time.Second, "time from a resize to an active node")
	return cmd
}

func serveOkesim(ctx context.Context, f okesimFlags, stdout io.Writer) (err error) {
	if f.dir == "" {
		if f.dir, err = os.MkdirTemp("", "tidemill-okesim-"); err != nil {
			return err
		}
		defer os.RemoveAll(f.dir)
	}
	if f.dir, err = filepath.Abs(f.dir); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen: %w\nhint: another --listen address, or port 0 for a free one", err)
	}
	sim := okesim.New(okesim.Options{Latency: launchTime(f.launch), VerifySignatures: true})
	defer sim.Close()
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	serve, scheme, trust := func() error { return server.Serve(listener) }, "http", ""
	if f.tls {
		if err := os.MkdirAll(f.dir, 0o700); err != nil {
			return errors.Join(err, listener.Close())
		}
		cert, key, err := okesim.SelfSigned(f.dir)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		serve, scheme = func() error { return server.ServeTLS(listener, cert, key) }, "https"
		trust = "  trust         OCI_DEFAULT_CERTS_PATH=" + cert + "\n"
	}
	endpoint := scheme + "://" + listener.Addr().String()
	orders, err := serveControl(ctx, sim, f.control)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := introduce(sim, f.dir, endpoint, trust+orders, stdout); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// serveControl takes orders for the emulator at an address, none if it is empty,
// and returns the line that says where.
func serveControl(ctx context.Context, sim *okesim.Sim, address string) (line string, err error) {
	if address == "" {
		return "", nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for orders: %w\nhint: another --control address, or port 0 for a free one", err)
	}
	server := &http.Server{Handler: sim.Control(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // ends with ctx
	return "  orders        http://" + listener.Addr().String() + "\n", nil
}

// introduce makes the cluster and says where it is.
func introduce(sim *okesim.Sim, dir, endpoint, trust string, stdout io.Writer) error {
	config, err := sim.NewCredentials(dir, endpoint)
	if err != nil {
		return err
	}
	cluster := sim.AddCluster(okesim.Cluster{Name: "okesim"})
	for _, p := range playground.DemoPools() {
		p.ClusterID = cluster
		if _, err := sim.AddPool(p); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(stdout, "the emulated OCI is up\n\n  OCI endpoint  %s\n  OCI config    %s\n  cluster       %s\n  compartment   %s\n%s\nctrl-C ends it.\n",
		endpoint, config, cluster, sim.Compartment(), trust)
	return err
}
