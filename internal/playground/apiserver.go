package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	apimachineryversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/controlplane/reconcilers"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

const (
	serviceCIDR = "10.96.0.0/16" // OKE's default
	serviceIP   = "10.96.0.1"    // of default/kubernetes
	// privateEndpoint stands for the API's address in the VCN. The server must
	// advertise an address that is not loopback; nothing dials this one.
	privateEndpoint = "10.0.0.5"
	issuer          = "https://kubernetes.default.svc"
)

// An apiServer is the kube-apiserver of one cluster, with the aggregator and
// the CRD server in it, as the binary of that name has.
type apiServer struct {
	address string     // host:port
	gate    *gate      // for outages
	done    chan error // its end, closed after
}

// startAPIServer starts kube-apiserver on this address of loopback and returns
// without waiting for it. It stops when ctx ends.
func startAPIServer(ctx context.Context, address string, ca *authority, etcd, saKey, dir string, audit *Audit) (*apiServer, error) {
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	listener := newGate(socket)
	opts, err := apiServerOptions(ca, etcd, saKey, listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := audit.register(opts, dir); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	server, err := chainAPIServer(ctx, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("configure kube-apiserver: %w", err), listener.Close())
	}
	s := &apiServer{address: listener.Addr().String(), gate: listener, done: make(chan error, 1)}
	go func() {
		defer close(s.done)
		s.done <- server(ctx)
	}()
	return s, nil
}

// apiServerOptions are the flags of kube-apiserver as OKE sets them where that
// can be seen from outside: Node and RBAC authorization, default admission
// plugins, bound service-account tokens.
func apiServerOptions(ca *authority, etcd, saKey string, l net.Listener) (*options.ServerRunOptions, error) {
	cert, err := ca.server(
		[]net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceIP)},
		[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"})
	if err != nil {
		return nil, err
	}
	o := options.NewServerRunOptions()
	if o.GenericServerRunOptions.ComponentGlobalsRegistry, err = componentGlobals(); err != nil {
		return nil, err
	}
	o.GenericServerRunOptions.AdvertiseAddress = net.ParseIP(privateEndpoint)
	o.SecureServing.Listener = l
	o.SecureServing.BindAddress = net.IPv4(127, 0, 0, 1)
	o.SecureServing.BindPort = l.Addr().(*net.TCPAddr).Port
	o.SecureServing.ServerCert.CertKey.CertFile = cert.Cert
	o.SecureServing.ServerCert.CertKey.KeyFile = cert.Key
	o.Etcd.StorageConfig.Transport.ServerList = []string{etcd}
	o.Authentication.ClientCert.ClientCA = ca.bundle()
	o.Authentication.ServiceAccounts.Issuers = []string{issuer}
	o.Authentication.ServiceAccounts.KeyFiles = []string{saKey}
	o.ServiceAccountSigningKeyFile = saKey
	o.Authorization.Modes = []string{"Node", "RBAC"}
	o.ServiceClusterIPRanges = serviceCIDR
	o.AllowPrivileged = true // kube-proxy and the CNI ask for it
	// The reconciler would publish the advertised address as the endpoint of
	// default/kubernetes, where nothing listens.
	o.EndpointReconcilerType = string(reconcilers.NoneEndpointReconcilerType)
	return o, nil
}

// componentGlobals gives each server a registry of its own. The default one is
// a global that two clusters in one process would fight over.
func componentGlobals() (basecompatibility.ComponentGlobalsRegistry, error) {
	registry := basecompatibility.NewComponentGlobalsRegistry()
	version := linkedVersion{compatibility.DefaultBuildEffectiveVersion()}
	gates := utilfeature.DefaultMutableFeatureGate.DeepCopy()
	if err := registry.Register(basecompatibility.DefaultKubeComponent, version, gates); err != nil {
		return nil, fmt.Errorf("register feature gates: %w", err)
	}
	return registry, registry.Set()
}

// linkedVersion makes /version tell the version of the code. Without the linker
// flags of a release build it would say v0.0.0-master, which no client can
// compare with a kubelet's version.
type linkedVersion struct {
	basecompatibility.MutableEffectiveVersion
}

func (v linkedVersion) Info() *apimachineryversion.Info {
	info := *v.MutableEffectiveVersion.Info()
	info.GitVersion, info.GitCommit, info.GitTreeState = ControlPlaneVersion(), "", ""
	parts := strings.SplitN(strings.TrimPrefix(info.GitVersion, "v"), ".", 3)
	if len(parts) == 3 {
		info.Major, info.Minor = parts[0], parts[1]
	}
	return &info
}

// chainAPIServer is what the binary does between its flags and its Run.
func chainAPIServer(ctx context.Context, o *options.ServerRunOptions) (run func(context.Context) error, err error) {
	completed, err := o.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	full, err := config.Complete()
	if err != nil {
		return nil, err
	}
	server, err := app.CreateServerChain(full)
	if err != nil {
		return nil, err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, err
	}
	return prepared.Run, nil
}

// wait returns when /readyz says ok: the bootstrap RBAC roles, the system
// namespaces and the priority classes are then in place.
func (s *apiServer) wait(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		status := 0
		body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "").
			Do(ctx).StatusCode(&status).Raw()
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case err := <-s.done:
			return fmt.Errorf("start kube-apiserver: it ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("start kube-apiserver: not ready: %w: %s", errors.Join(ctx.Err(), err), body)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tokenIssuer signs the tokens of legacy Secrets of type service-account-token.
func tokenIssuer(ca *authority) (serviceaccount.TokenGenerator, error) {
	key, err := readECKey(filepath.Join(ca.dir, "sa.key"))
	if err != nil {
		return nil, err
	}
	return serviceaccount.JWTTokenGenerator(serviceaccount.LegacyIssuer, key)
}
