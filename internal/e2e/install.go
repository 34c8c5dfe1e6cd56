package e2e

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/manifests"
)

// Where the manifests put tidemill.
const (
	namespace      = "tidemill-system"
	serviceAccount = "tidemill"
)

// install applies what a user applies, but for the Deployment: the daemon is a
// process here, with the Deployment's rights.
func (e *Env) install(ctx context.Context) error {
	for _, text := range [][]byte{manifests.CRD(), manifests.Namespace(), manifests.RBAC(), manifests.Admission()} {
		if err := e.Cluster.Apply(ctx, text); err != nil {
			return fmt.Errorf("install manifests: %w", err)
		}
	}
	return nil
}
