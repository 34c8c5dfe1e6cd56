package oke

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidemill/tidemill/cloudprovider"
)

// rounds is how often a change looks. The last look only compares.
const rounds = 4

// intent is one change of a pool, as a decision on a look at it.
type intent struct {
	// decide compares: a nil send and a nil error mean that it is done already,
	// an error that the pool is not what the caller decided on.
	decide func(look) (send func(context.Context) error, err error)
	// moot is which refusals may mean that it is done already: the next look
	// tells, and if it is not, the refusal stands.
	moot func(error) bool
}

// change brings an intent to a certain end.
//
// The crash story: the PUT leaves, the service applies it, and the line breaks.
// Asking again blindly would do it twice or meet a conflict that is one's own.
// So each round looks, compares and only then writes, with the etag of that very
// look: if the first write was applied after all, however late, the etag has
// moved and the second write is refused. The same look tells a person's change
// from one's own, because sizes are compared and not etags.
func (p *Provider) change(ctx context.Context, id cloudprovider.PoolID, in intent) error {
	var last error // why there is another round
	for round := range rounds {
		if round > 0 {
			if err := sleep(ctx, p.backoff(p.writePolicy, round-1)/4); err != nil {
				return fmt.Errorf("%w, after %w", err, last)
			}
		}
		look, err := p.look(ctx, id)
		if err != nil {
			return errors.Join(err, last)
		}
		send, err := in.decide(look)
		if err != nil || send == nil {
			return err
		}
		if round+1 == rounds || (last != nil && in.moot != nil && in.moot(last)) {
			return last
		}
		last = send(ctx)
		switch {
		case last == nil:
			return nil
		case errors.Is(last, cloudprovider.ErrOverruled):
			return last
		case status(last) == http.StatusPreconditionFailed: // something moved; perhaps only the state
		case !certainlyRefused(last):
		case in.moot != nil && in.moot(last):
		default:
			return last
		}
	}
	return last
}

// hold takes the pool's turn to write. Two changes of one pool at once would
// only take each other's etags away.
func (p *Provider) hold(ctx context.Context, id cloudprovider.PoolID) (release func(), err error) {
	if isVirtual(id) {
		return nil, errVirtual()
	}
	m := p.memory(id)
	select {
	case m.write <- struct{}{}:
		m.forgetLook()
		return func() {
			m.forgetLook() // one taken while the change was under way
			<-m.write
		}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *poolMemory) forgetLook() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = remembered[look]{}
}
