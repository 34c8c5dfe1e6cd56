package main

import (
	"errors"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tidemill/tidemill/cloudprovider"
)

// classify gives an error that nobody has put into words its exit code and a
// hint, by what kind of error it is and never by its text.
func classify(err error) *failure {
	var dns *net.DNSError
	var dial *url.Error
	switch {
	case meta.IsNoMatchError(err):
		return &failure{exitBlind, err, []string{"the cluster does not know this resource; tidemill's own are installed with: kubectl apply -k manifests"}}
	case errors.Is(err, cloudprovider.ErrUnauthorized):
		return &failure{exitBlind, err, []string{"--oci-auth says who to be; of a user check the key's fingerprint (--oci-config, --oci-profile); docs/oke.md lists the IAM statements"}}
	case errors.Is(err, cloudprovider.ErrNotFound):
		return &failure{exitNo, err, []string{"check --compartment-id and --cluster-id; OCI also says so when the IAM policy does not let you see it"}}
	case errors.Is(err, cloudprovider.ErrThrottled):
		return &failure{exitBlind, err, []string{"OCI asks to slow down; try again in a minute"}}
	case apierrors.IsUnauthorized(err):
		return &failure{exitBlind, err, []string{"the API server does not accept the credentials of this kubeconfig; renew them, or pick another with --context"}}
	case apierrors.IsForbidden(err):
		return &failure{exitBlind, err, []string{"the user of this kubeconfig may not do that; manifests/base/rbac.yaml lists what tidemill needs"}}
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err), apierrors.IsInternalError(err):
		return &failure{exitBlind, err, []string{"the API server is there but does not answer properly; try again"}}
	case errors.As(err, &dns), errors.As(err, &dial):
		return &failure{exitBlind, err, []string{"is the address right, and reachable from here? --kubeconfig and --context pick the API server, --oci-endpoint the OKE endpoint"}}
	}
	return &failure{code: exitNo, err: err}
}
