package expander

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Options configure an [Expander].
type Options struct {
	// Chain are the strategies, the first one first.
	Chain []Strategy
	// Priorities reads what the strategy of that name goes by, at each look; nil,
	// and an error, leave it as it was.
	Priorities func(context.Context) (Priorities, error)
	// Log gets what the expander says; nil drops it.
	Log *slog.Logger
	// Registerer makes its metrics visible; nil keeps them to itself.
	Registerer prometheus.Registerer
}

// Expander answers cluster-autoscaler's question which group should grow. It is
// safe for concurrent use.
type Expander struct {
	wire.UnimplementedExpanderServer

	options Options
	log     *slog.Logger
	metrics *metrics
	known   atomic.Pointer[Knowledge] // nil before the first look
}

// New makes an expander that knows nothing yet, and chooses by what it is told.
func New(o Options) (*Expander, error) {
	if len(o.Chain) == 0 {
		return nil, errors.New("make expander: it has no strategy")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Expander{options: o, log: o.Log}
	m, err := newMetrics(o.Registerer, o.Chain)
	e.metrics = m
	return e, err
}

// Look takes in a look at the cloud. Looks do not overlap.
func (e *Expander) Look(ctx context.Context, cloud cloudprovider.Cloud) {
	before := e.known.Load()
	var p Priorities
	if before != nil {
		p = before.Priorities
	}
	if e.options.Priorities != nil {
		now, err := e.options.Priorities(ctx)
		if err != nil {
			e.log.Warn("priorities cannot be read, the last ones hold", "error", err)
		} else {
			p = now
		}
	}
	after := before.Look(cloud, p, time.Now())
	e.known.Store(after)
	e.metrics.refusals.Set(float64(len(after.refusals)))
}

// Run looks at the cloud until ctx ends: for an expander without the plugin,
// which else does the looking.
func (e *Expander) Run(ctx context.Context, fleet *cloudprovider.Fleet, interval time.Duration) error {
	timer := time.NewTicker(interval)
	defer timer.Stop()
	for {
		cloud := fleet.Observe(ctx)
		if cloud.Err != nil && ctx.Err() == nil {
			e.log.Warn("the cloud does not answer, the last good look serves on", "error", cloud.Err)
		}
		e.Look(ctx, cloud)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// BestOptions gives the options that the chain leaves. What it does not know of
// counts by what the client tells of it.
func (e *Expander) BestOptions(_ context.Context, r *wire.BestOptionsRequest) (*wire.BestOptionsResponse, error) {
	var d reader
	options, err := d.options(r)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	k := e.known.Load()
	if k == nil {
		k = &Knowledge{}
	}
	k.complete(options)
	left, by := Choose(e.options.Chain, options, k)
	e.metrics.decided(by)
	keep := map[string]bool{}
	for _, o := range left {
		keep[string(o.ID)] = true
	}
	out := &wire.BestOptionsResponse{}
	for _, o := range r.GetOptions() {
		if keep[o.GetNodeGroupId()] {
			out.Options = append(out.Options, &wire.Option{NodeGroupId: o.GetNodeGroupId(), NodeCount: o.GetNodeCount(), Debug: o.GetDebug()})
		}
	}
	e.log.Info("chosen", "of", len(options), "left", left, "by", by)
	return out, nil
}

// String is how an option stands in the log.
func (o Option) String() string {
	name := o.Name
	if name == "" {
		name = string(o.ID)
	}
	return fmt.Sprintf("%s+%d for %d pods", name, o.Nodes, o.Pods)
}

// LogValue is String: an option in a log line is for people.
func (o Option) LogValue() slog.Value { return slog.StringValue(o.String()) }

// watch measures a call, and keeps a panic in it from ending the rest.
func (e *Expander) watch(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			e.log.Error("a call broke", "method", info.FullMethod, "panic", r, "stack", string(debug.Stack()))
			err = status.Errorf(codes.Internal, "%s broke: %v", info.FullMethod, r)
		}
		if info.Server == any(e) {
			e.metrics.seconds.Observe(time.Since(start).Seconds())
			e.metrics.calls.WithLabelValues(status.Code(err).String()).Inc()
		}
		if err != nil {
			e.log.Warn("call refused", "method", info.FullMethod, "code", status.Code(err).String(), "error", err)
		}
	}()
	return next(ctx, request)
}

// maxRequest is the client's own limit: a request has each pod that waits, once
// for each group that could help it.
const maxRequest = 128 << 20

// Serve answers calls on l until ctx ends, then finishes those under way. It
// closes l. cert and key are PEM files that identify the server: clients refuse
// to come without TLS, and show no certificate of their own. They are read again
// for each connection.
func (e *Expander) Serve(ctx context.Context, l net.Listener, cert, key string) error {
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		l.Close()
		return fmt.Errorf("serve expander: read certificate %s and key %s: %w", cert, key, err)
	}
	creds := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}})
	server := grpc.NewServer(append(wire.Bounds(), grpc.Creds(creds), grpc.UnaryInterceptor(e.watch), grpc.MaxRecvMsgSize(maxRequest))...)
	wire.RegisterExpanderServer(server, e)
	alive := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, alive)
	stop := context.AfterFunc(ctx, func() {
		alive.Shutdown()
		end := time.AfterFunc(10*time.Second, server.Stop)
		defer end.Stop()
		server.GracefulStop()
	})
	defer stop()
	e.log.Info("serving an expander", "address", l.Addr().String())
	if err := server.Serve(wire.Limit(l)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve expander on %s: %w", l.Addr(), err)
	}
	return nil
}
