package e2e

import (
	"context"
	"fmt"
	"time"
)

// glance is how often a condition is looked at while somebody waits for it.
const glance = 50 * time.Millisecond

// A Probe looks once: whether it is so, how it is now in a few words, and what
// makes waiting pointless.
type Probe func(ctx context.Context) (done bool, now string, err error)

// Until waits for a probe. It ends with an error that says what was waited for
// and how it stood, when the time is over or the probe fails. Each look is told
// to say, which may be nil.
func Until(ctx context.Context, what string, patience time.Duration, say func(string), probe Probe) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	last := "nothing was seen"
	for {
		done, now, err := probe(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("wait for %s: %w", what, err)
		case err == nil && done:
			return nil
		case err == nil:
			last = now
			if say != nil {
				say(now)
			}
		}
		select {
		case <-parent.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(parent))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: not after %s: %s", what, patience, last)
		case <-tick.C:
		}
	}
}
