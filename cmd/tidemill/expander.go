package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/expander"
)

// expanderFlags are of the expander that is served beside the plugin, or alone.
type expanderFlags struct {
	listen, chain, cert, key, priorities string
}

func (f *expanderFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.listen, "expander-listen", "", "`address` to serve an expander on, host:port, for --expander=grpc of cluster-autoscaler; it takes TLS alone. Without pools the expander is served by itself")
	s.StringVar(&f.chain, "expander", expander.Usual, "strategies in order, commas between them: "+chainHelp())
	s.StringVar(&f.cert, "expander-cert", "", "`file` with the expander's certificate, PEM (default: that of --cert)")
	s.StringVar(&f.key, "expander-key", "", "`file` with its key (default: that of --key)")
	s.StringVar(&f.priorities, "expander-priorities", "kube-system/"+expander.PriorityConfigMap, "`namespace/name` of the ConfigMap of the strategy priority, in the format of cluster-autoscaler")
}

func chainHelp() string {
	var all []string
	for _, s := range expander.Strategies() {
		all = append(all, s.Name+" ("+s.About+")")
	}
	return strings.Join(all, ", ")
}

// on is whether an expander is wanted.
func (f *expanderFlags) on() bool { return f.listen != "" }

// open makes the expander and opens its door. reader is where ConfigMaps are
// read; nil does without priorities.
func (f *expanderFlags) open(ctx context.Context, reader client.Reader, r prometheus.Registerer, log *slog.Logger) (*expander.Expander, net.Listener, error) {
	if f.cert == "" || f.key == "" {
		return nil, nil, usage(errors.New("the expander has no certificate, and cluster-autoscaler comes over TLS alone"), "give --expander-cert and --expander-key, or --cert and --key")
	}
	chain, err := expander.ParseChain(f.chain)
	if err != nil {
		return nil, nil, usage(err)
	}
	key, err := objectKey(f.priorities)
	if err != nil {
		return nil, nil, err
	}
	o := expander.Options{Chain: chain, Log: log, Registerer: r}
	if reader != nil {
		o.Priorities = func(ctx context.Context) (expander.Priorities, error) { return readPriorities(ctx, reader, key) }
	}
	e, err := expander.New(o)
	if err != nil {
		return nil, nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return nil, nil, usage(fmt.Errorf("serve expander: %w", err), "want host:port where nobody else listens")
	}
	return e, l, nil
}

func objectKey(ref string) (client.ObjectKey, error) {
	namespace, name, ok := strings.Cut(ref, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return client.ObjectKey{}, usage(fmt.Errorf("--expander-priorities %q is not namespace/name of a ConfigMap", ref))
	}
	return client.ObjectKey{Namespace: namespace, Name: name}, nil
}

// readPriorities reads the ConfigMap; without one there are no priorities.
func readPriorities(ctx context.Context, r client.Reader, key client.ObjectKey) (expander.Priorities, error) {
	ctx, cancel := context.WithTimeout(ctx, pricesWait)
	defer cancel()
	var m corev1.ConfigMap
	switch err := r.Get(ctx, key, &m); {
	case apierrors.IsNotFound(err):
		return expander.Priorities{}, nil
	case err != nil:
		return expander.Priorities{}, fmt.Errorf("read ConfigMap %s: %w", key, err)
	}
	return expander.ParsePriorities(m.Data[expander.PrioritiesKey])
}
