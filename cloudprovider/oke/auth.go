package oke

import (
	"context"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Auth is by what the driver proves who it is.
type Auth int

const (
	// AuthUnknown lets the environment and the configuration file decide, see
	// [ChooseAuth].
	AuthUnknown Auth = iota
	// APIKey is a user's key in a configuration file or in OCI_CLI_* variables.
	APIKey
	// SessionToken is what `oci session authenticate` leaves in a profile; it
	// lives for an hour and is read again when it was renewed.
	SessionToken
	// InstancePrincipal is the machine this runs on, by its certificate from the
	// metadata service. The rights are those of a dynamic group.
	InstancePrincipal
	// WorkloadIdentity is the pod's service account. OKE gives it to enhanced
	// clusters only.
	WorkloadIdentity
	// ResourcePrincipal is what OCI's own runtimes put into the environment.
	ResourcePrincipal
)

// The names are those of the OCI CLI's --auth.
var authNames = [...]string{"auto", "api_key", "security_token", "instance_principal", "oke_workload_identity", "resource_principal"}

// String gives the name that [ParseAuth] reads.
func (a Auth) String() string {
	if a < 0 || int(a) >= len(authNames) {
		return "auto"
	}
	return authNames[a]
}

// ParseAuth reads a name of the OCI CLI's --auth; "" and "auto" are AuthUnknown.
// Any other word is ErrInvalid.
func ParseAuth(name string) (Auth, error) {
	if name == "" {
		return AuthUnknown, nil
	}
	for a, n := range authNames {
		if strings.EqualFold(strings.ReplaceAll(name, "-", "_"), n) {
			return Auth(a), nil
		}
	}
	return AuthUnknown, fmt.Errorf("choose authentication %q: %w: it must be one of %s", name, cloudprovider.ErrInvalid, strings.Join(authNames[:], ", "))
}

// ChooseAuth reads from the environment how to authenticate, AuthUnknown where
// it says nothing. OCI_CLI_AUTH goes first, then what cluster-autoscaler's OCI
// provider looks at, in its order: a Deployment that was written for it works.
func ChooseAuth(env func(string) string) (Auth, error) {
	if name := env("OCI_CLI_AUTH"); name != "" {
		a, err := ParseAuth(name)
		if err != nil {
			return a, fmt.Errorf("read OCI_CLI_AUTH: %w", err)
		}
		return a, nil
	}
	switch {
	case isTrue(env("OCI_USE_WORKLOAD_IDENTITY")):
		return WorkloadIdentity, nil
	case isTrue(env("OCI_USE_INSTANCE_PRINCIPAL")), isTrue(env("OKE_USE_INSTANCE_PRINCIPAL")):
		return InstancePrincipal, nil
	}
	return AuthUnknown, nil
}

func isTrue(v string) bool { return strings.EqualFold(v, "true") || v == "1" }

// identity is who the driver is.
type identity struct {
	config common.ConfigurationProvider
	auth   Auth
	who    string // for hints: "user ocid1.user... (fingerprint ...)"
	// refused is what to do when the service does not accept it.
	refused string
	// grantee is how an IAM statement names it, where its condition.
	grantee, where string
}

// authenticate makes the identity. Files are read through, so that what is
// missing is said before the first call and by name; principals ask the metadata
// service or the cluster, within ctx.
func authenticate(ctx context.Context, o Options) (identity, error) {
	auth := o.Auth
	if auth == AuthUnknown {
		var err error
		if auth, err = ChooseAuth(o.Env); err != nil {
			return identity{}, err
		}
	}
	var id identity
	var err error
	switch auth {
	case InstancePrincipal:
		id, err = instancePrincipal(ctx, o)
	case WorkloadIdentity:
		id, err = workloadIdentity(ctx, o)
	case ResourcePrincipal:
		id, err = resourcePrincipal(ctx)
	default:
		id, err = fromFile(ctx, o, auth)
	}
	if err != nil {
		return identity{}, err
	}
	if o.Region != "" {
		id.config = inRegion{id.config, o.Region}
	}
	if region, err := id.config.Region(); err != nil || region == "" {
		return identity{}, fmt.Errorf("find the region of %s: %w: name it, for example us-ashburn-1", id.who, cloudprovider.ErrInvalid)
	}
	return id, nil
}

// inRegion is a configuration with another region.
type inRegion struct {
	common.ConfigurationProvider
	region string
}

func (c inRegion) Region() (string, error) { return string(common.StringToRegion(c.region)), nil }

// Refreshable lets the SDK get a new token when one was refused: embedding hides
// the method that it looks for.
func (c inRegion) Refreshable() bool {
	r, ok := c.ConfigurationProvider.(common.RefreshableConfigurationProvider)
	return ok && r.Refreshable()
}
