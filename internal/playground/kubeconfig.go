package playground

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig with one context that reaches server and
// verifies it with the cluster's CA. The credentials are in the file itself, so
// that it can be copied elsewhere on the machine.
func writeKubeconfig(path, name, server string, ca *authority, user *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: ca.bundle()}
	config.AuthInfos[name] = user
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return fmt.Errorf("inline kubeconfig: %w", err)
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// writeAdminKubeconfig makes the cluster administrator's kubeconfig.
func (c *Cluster) writeAdminKubeconfig() error {
	files, err := c.ca.client("admin", "admin", "system:masters")
	if err != nil {
		return err
	}
	return writeKubeconfig(c.Kubeconfig(), c.opts.Name, c.config.Host, c.ca,
		&clientcmdapi.AuthInfo{ClientCertificate: files.Cert, ClientKey: files.Key})
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// RESTConfig is the administrator's client configuration, a copy.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.config) }

// ServiceAccountKubeconfig writes a kubeconfig that acts as a service account,
// with a token from the TokenRequest API: what the pod of a Deployment would
// hold, so that a process started beside the cluster runs under its real RBAC.
// The account must exist. The token is good for a day.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	day := int64(24 * 60 * 60)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}
	answer, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request token of service account %s/%s: %w", namespace, name, err)
	}
	path := filepath.Join(c.dir, "kubeconfig-"+namespace+"-"+name)
	return path, writeKubeconfig(path, c.opts.Name, c.config.Host, c.ca,
		&clientcmdapi.AuthInfo{Token: answer.Status.Token})
}

// componentConfig is how the cluster's own components reach the API: as an
// administrator, in protobuf, and without the client-side rate limit, which
// would be the slowest part of every story.
func componentConfig(server string, ca *authority) (*rest.Config, error) {
	files, err := ca.client("components", "system:playground", "system:masters")
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            "https://" + server,
		QPS:             -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: ca.bundle(), CertFile: files.Cert, KeyFile: files.Key},
	}, nil
}

// as is the component configuration under a component's own user agent, which
// is what the API server's metrics and audit lines tell components apart by.
func (c *Cluster) as(component string) *rest.Config {
	config := rest.CopyConfig(c.config)
	config.UserAgent = component
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return finishWrites{next} })
	return config
}

// finishWrites lets a write that is under way come to its end when its
// component is stopped. Cutting it off would make the API server cut off its
// own call to etcd, whose client then complains on the terminal: its logger
// is out of reach.
type finishWrites struct{ next http.RoundTripper }

func (f finishWrites) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	return f.next.RoundTrip(r)
}
