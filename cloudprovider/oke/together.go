package oke

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/singleflight"
)

// together has one question asked for all who have it at the same time: pools are
// read side by side, and most have the same image and the same shape. Whoever asked
// first may have given up meanwhile; that is no answer for the others, and they ask
// for themselves.
func together[T any](ctx context.Context, flights *singleflight.Group, key string, ask func() (T, error)) (T, error) {
	v, err, shared := flights.Do(key, func() (any, error) { return ask() })
	gaveUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if shared && gaveUp && ctx.Err() == nil {
		return ask()
	}
	answer, ok := v.(T)
	if !ok {
		return answer, fmt.Errorf("%s: an answer of type %T", key, v)
	}
	return answer, err
}
