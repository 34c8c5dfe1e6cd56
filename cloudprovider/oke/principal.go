package oke

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"

	"github.com/tidemill/tidemill/cloudprovider"
)

// principalPatience is how long a principal may take to be made. The SDK's
// constructors try for two minutes and do not listen to a context.
const principalPatience = 30 * time.Second

// within runs a constructor of the SDK and stops waiting for it when ctx or
// patience ends; the goroutine ends with the SDK's own tries.
func within(ctx context.Context, what string, construct func() (common.ConfigurationProvider, error)) (common.ConfigurationProvider, error) {
	type result struct {
		config common.ConfigurationProvider
		err    error
	}
	done := background(func() result {
		config, err := construct()
		return result{config, err}
	})
	ctx, cancel := context.WithTimeout(ctx, principalPatience)
	defer cancel()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("authenticate as %s: %w", what, firstLine(r.err))
		}
		return r.config, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("authenticate as %s: %w", what, ctx.Err())
	}
}

// background runs do in the background; its result waits for whoever wants it.
func background[T any](do func() T) <-chan T {
	done := make(chan T, 1)
	go func() { done <- do() }()
	return done
}

// instancePrincipal is the machine. The metadata service is asked first, and by
// us: whether it is there at all is known in seconds that way.
func instancePrincipal(ctx context.Context, o Options) (identity, error) {
	here, err := Discover(ctx, o.Env)
	if err != nil {
		return identity{}, fmt.Errorf("authenticate as instance principal: %w", err)
	}
	client, err := newHTTPClient(o)
	if err != nil {
		return identity{}, err
	}
	config, err := within(ctx, "instance principal", func() (common.ConfigurationProvider, error) {
		return auth.InstancePrincipalConfigurationProviderWithCustomClient(func(common.HTTPRequestDispatcher) (common.HTTPRequestDispatcher, error) {
			return client, nil
		})
	})
	if err != nil {
		return identity{}, err
	}
	return identity{config: config, auth: InstancePrincipal, who: "instance " + here.InstanceID,
		grantee: "dynamic-group <a dynamic group with this instance>",
		refused: "the certificate of instance " + here.InstanceID + " was refused: is the instance young, or was it moved to another compartment?"}, nil
}

// workloadIdentity is the pod's service account.
//
// The SDK wants two variables that carry nothing the pod does not know: they are
// given their only sensible values where nobody has set them.
func workloadIdentity(ctx context.Context, o Options) (identity, error) {
	if o.Env("KUBERNETES_SERVICE_HOST") == "" {
		return identity{}, fmt.Errorf("authenticate as workload: %w: KUBERNETES_SERVICE_HOST is not set: this is no pod of the cluster", cloudprovider.ErrInvalid)
	}
	region := o.Region
	if region == "" {
		region = o.Env(auth.ResourcePrincipalRegionEnvVar)
	}
	if region == "" {
		here, err := Discover(ctx, o.Env)
		if err != nil {
			return identity{}, fmt.Errorf("find the region of this workload: %w; or name the region", err)
		}
		region = here.Region
	}
	for name, value := range map[string]string{auth.ResourcePrincipalVersionEnvVar: auth.ResourcePrincipalVersion2_2, auth.ResourcePrincipalRegionEnvVar: region} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return identity{}, fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	config, err := within(ctx, "workload", func() (common.ConfigurationProvider, error) {
		var tokens auth.ServiceAccountTokenProvider = auth.NewDefaultServiceAccountTokenProvider()
		if o.ServiceAccountToken != "" {
			tokens = auth.NewSuppliedServiceAccountTokenProvider(o.ServiceAccountToken)
		}
		c, err := auth.OkeWorkloadIdentityConfigurationProviderWithServiceAccountTokenProvider(tokens)
		if err != nil {
			return nil, err
		}
		_, err = c.KeyID() // the first exchange, so that a refusal is told now
		return c, err
	})
	if err != nil {
		return identity{}, workloadHint(err)
	}
	return identity{config: config, auth: WorkloadIdentity, who: "this workload's service account",
		grantee: "any-user",
		where:   fmt.Sprintf(" where all {request.principal.type='workload', request.principal.cluster_id='%s', request.principal.namespace='...', request.principal.service_account='...'}", o.ClusterID),
		refused: "the token of this workload was refused: is the cluster an enhanced one?"}, nil
}

func workloadHint(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "enhanced"):
		return fmt.Errorf("%w: %w; OKE gives workload identity to enhanced clusters only: use instance_principal on a basic one", cloudprovider.ErrUnauthorized, err)
	case strings.Contains(text, "dial ") || strings.Contains(text, "timeout"):
		return fmt.Errorf("%w; the cluster's token service on port %s of the API server's address cannot be reached: do network policies let this pod go there?", err, auth.KubernetesProxymuxServicePort)
	case strings.Contains(text, "ervice account token"):
		return fmt.Errorf("%w; is the service account's token mounted into the pod?", err)
	}
	return err
}

// resourcePrincipal is what OCI's own runtimes (functions, data science, ...)
// give to what runs in them.
func resourcePrincipal(ctx context.Context) (identity, error) {
	config, err := within(ctx, "resource principal", func() (common.ConfigurationProvider, error) { return auth.ResourcePrincipalConfigurationProvider() })
	if err != nil {
		return identity{}, fmt.Errorf("%w; OCI sets the OCI_RESOURCE_PRINCIPAL_* variables where there is one", err)
	}
	return identity{config: config, auth: ResourcePrincipal, who: "this resource", grantee: "dynamic-group <a dynamic group with this resource>",
		refused: "the token of this resource principal was refused"}, nil
}
