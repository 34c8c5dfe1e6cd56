package oke

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A turnstile keeps all calls of a service away for as long as it has asked one of
// them to stay away. Limits are counted per user: fifty pools that each found out
// for themselves, and each came back by a clock of its own, would keep the limit
// exceeded.
type turnstile struct {
	mu    sync.Mutex // guards until
	until time.Time
}

// The services have limits of their own.
const (
	containerEngine = iota
	compute
	services
)

// turnstileLimit bounds for how long a service is left alone.
const turnstileLimit = 5 * time.Minute

var computeOps = map[string]bool{"GetInstance": true, "ListInstances": true, "ListShapes": true, "GetImage": true, "ListImages": true, "CreateComputeCapacityReport": true,
	"ListInstanceMaintenanceEvents": true, "CaptureConsoleHistory": true, "GetConsoleHistory": true, "GetConsoleHistoryContent": true, "DeleteConsoleHistory": true,
	"GetSubnet": true, "ListPrivateIps": true}

func (p *Provider) turnstileOf(op string) *turnstile {
	if computeOps[op] {
		return &p.turnstiles[compute]
	}
	return &p.turnstiles[containerEngine]
}

// shut keeps it shut for a while, at most turnstileLimit.
func (g *turnstile) shut(d time.Duration) {
	until := time.Now().Add(min(d, turnstileLimit))
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.until) {
		g.until = until
	}
}

// pass waits until it is open. Whoever would have to wait longer than
// patience is refused at once, as the service would.
func (g *turnstile) pass(ctx context.Context, patience time.Duration) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		switch {
		case wait <= 0:
			return nil
		case wait > patience:
			return fmt.Errorf("%w: the service has asked to stay away for another %v", cloudprovider.ErrThrottled, wait.Round(time.Second))
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
