package cloudprovider

import (
	"context"
	"fmt"
	"time"
)

// A change that nothing undoes is decided on a live look at what it would end. Between
// that look and the request that is carried out there may be a minute: the pool is busy,
// the service asks to come back, an answer is lost. By then a machine may have become a
// node, or somebody may have made the node schedulable. So the question travels with the
// change, and whoever sends a request asks it again.

// believed is for how long an answer counts.
const believed = 3 * time.Second

type stillKey struct{}

type still struct {
	holds func(context.Context) error
	asked time.Time
	err   error
}

// Still asks whether a change may be made, and gives a context under which a provider
// asks again before each request that it sends later than a few seconds after. The error
// is that of holds. A context is for one change at a time.
func Still(ctx context.Context, holds func(context.Context) error) (context.Context, error) {
	s := &still{holds: holds}
	if err := s.ask(ctx); err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, stillKey{}, s), nil
}

// Holds is an error if the change of this context must not be made any more, and nil for
// a context without a question. What it is once it stays: [ErrOverruled] and the reason.
func Holds(ctx context.Context) error {
	s, ok := ctx.Value(stillKey{}).(*still)
	if !ok {
		return nil
	}
	if s.err == nil && time.Since(s.asked) >= believed {
		if err := s.ask(ctx); err != nil {
			s.err = fmt.Errorf("%w: %w", ErrOverruled, err)
		}
	}
	return s.err
}

func (s *still) ask(ctx context.Context) error {
	err := s.holds(ctx)
	s.asked = time.Now()
	return err
}
