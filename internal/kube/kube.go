// Package kube is the glue between tidemill and the Kubernetes API: the scheme,
// the one REST config that every call goes through, the mark that a disruption
// leaves on a Node, and the few writes that more than one verb makes.
//
// Two rules keep writes safe. A Node is changed only by [PatchNode], which
// carries the resourceVersion of the Node that was decided upon: if it changed,
// or a namesake took its place, the write is refused. And what is put on a Node
// is written together with the state before it, so that [Unmark] can give back
// exactly what was found.
package kube

import (
	"errors"
	"fmt"
	"net/http"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// NewScheme knows Kubernetes' own types, CustomResourceDefinitions and Pools.
func NewScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	return s, nil
}

// ConfigOptions choose a cluster and how hard it may be asked.
type ConfigOptions struct {
	// Kubeconfig is a file's path; "" means KUBECONFIG, then the service account
	// of the pod, then ~/.kube/config.
	Kubeconfig string
	// Context is a context of the kubeconfig; "" is its current one.
	Context string
	// UserAgent names the caller to the API server.
	UserAgent string
	// Wrap, if set, wraps the transport of every call: the seam for faults and
	// for measuring.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// client-go's own limit of 5 requests a second would make a drain of 60,000
// pods take hours; the API server protects itself by priority and fairness.
const (
	clientQPS   = 100
	clientBurst = 200
)

// Config makes the one REST config.
func Config(o ConfigOptions) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w\nhint: name one with --kubeconfig or KUBECONFIG; inside a cluster the pod's service account is used", err)
	}
	c.QPS, c.Burst = clientQPS, clientBurst
	c.UserAgent = o.UserAgent
	if o.Wrap != nil {
		c.Wrap(o.Wrap)
	}
	return c, nil
}
