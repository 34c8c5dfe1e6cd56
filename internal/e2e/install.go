package e2e

import (
	"context"
)

// Where the manifests put tidemill.
const (
	namespace      = "tidemill-system"
	serviceAccount = "tidemill"
)

func (e *Env) install(ctx context.Context) error { return nil }
