package externalgrpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Door is where the plugin is served, and to whom.
type Door struct {
	// Address is "host:port" or "unix:///path".
	Address string
	// Cert, Key and CACert are PEM files: the server's certificate and key, and
	// the authority of the clients'. All or none. Without them the door must be
	// one that only this machine can reach.
	Cert, Key, CACert string
}

const unixScheme = "unix://"

// check refuses a door that would be open to strangers.
func (d Door) check() error {
	given := 0
	for _, f := range []string{d.Cert, d.Key, d.CACert} {
		if f != "" {
			given++
		}
	}
	if given != 0 && given != 3 {
		return fmt.Errorf("serve on %s: certificate, key and client authority go together: give all three or none", d.Address)
	}
	if path, ok := strings.CutPrefix(d.Address, unixScheme); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("serve on %s: want unix:///path, with an absolute path", d.Address)
		}
		return nil
	}
	host, _, err := net.SplitHostPort(d.Address)
	if err != nil {
		return fmt.Errorf("serve on %s: want host:port or unix:///path: %w", d.Address, err)
	}
	if ip := net.ParseIP(host); given == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("serve on %s: without certificates others on the network could delete nodes: give certificate, key and client authority, or listen on 127.0.0.1 or a unix socket", d.Address)
	}
	return nil
}

// Listen opens the door. A socket that a dead process left behind is removed;
// one that answers is somebody's.
func (d Door) Listen(ctx context.Context) (net.Listener, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	path, isUnix := strings.CutPrefix(d.Address, unixScheme)
	if !isUnix {
		l, err := lc.Listen(ctx, "tcp", d.Address)
		if err != nil {
			return nil, fmt.Errorf("serve on %s: %w", d.Address, err)
		}
		return l, nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("serve on %s: another process answers there", d.Address)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("serve on %s: remove what a dead process left: %w", d.Address, err)
		}
	}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("serve on %s: %w", d.Address, err)
	}
	// Whoever gets here may delete nodes: the same user alone, which all containers
	// of a pod can be.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("serve on %s: %w", d.Address, err)
	}
	return l, nil
}

// stopWithin is how long calls under way may take once the end has come.
const stopWithin = 10 * time.Second

// Serve answers calls on l until ctx ends, and looks at the cloud meanwhile. It
// closes l. Calls under way are finished first: a write that was begun is known
// of.
func (p *Plugin) Serve(ctx context.Context, l net.Listener, d Door) error {
	options := append(wire.Bounds(), grpc.UnaryInterceptor(p.watch))
	if d.Cert != "" {
		config, err := serverTLS(d)
		if err != nil {
			l.Close()
			return err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
	wire.RegisterCloudProviderServer(server, p)
	alive := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, alive)

	looking, stop := context.WithCancel(ctx)
	defer stop()
	looked := make(chan error, 1)
	go func() { looked <- p.Run(looking) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(wire.Limit(l)) }()
	p.log.Info("serving cluster-autoscaler", "address", l.Addr().String(), "tls", d.Cert != "")

	var err error
	select {
	case err = <-served:
		stop()
	case <-ctx.Done():
		alive.Shutdown()
		end := time.AfterFunc(stopWithin, server.Stop)
		server.GracefulStop()
		end.Stop()
		err = <-served
	}
	<-looked
	if errors.Is(err, grpc.ErrServerStopped) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("serve on %s: %w", d.Address, err)
	}
	return nil
}

// CloudConfig is the file that cluster-autoscaler is started with, as
// --cloud-config, to come through this door. Its own time limit of 5 seconds is
// shorter than a write to the cloud may take.
func (d Door) CloudConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, "address: %q\n", d.dialled())
	if d.Cert != "" {
		b.WriteString("cert: /etc/tidemill-client/tls.crt\nkey: /etc/tidemill-client/tls.key\ncacert: /etc/tidemill-client/ca.crt\n")
	}
	b.WriteString("grpc_timeout: 30s\n")
	return b.String()
}

// dialled is the address as a client needs it. A client that is sent to "every
// address" finds none; it looks for a name in the certificate, so that the first
// one there is what it must be told.
func (d Door) dialled() string {
	host, port, err := net.SplitHostPort(d.Address)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return d.Address
	}
	if name := certificateName(d.Cert, d.Key); name != "" {
		return net.JoinHostPort(name, port)
	}
	return d.Address
}
