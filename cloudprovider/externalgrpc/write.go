package externalgrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// writeWithin bounds a write. It is longer than a client waits: a write that
// was begun is ended properly and known of, whether or not anybody listens.
const writeWithin = time.Minute

// write runs one change of a pool while no other is under way, on the newest
// view, and amends the view with what it returns. A failed change is followed
// by a look, for it says nothing about the pool.
func (p *Plugin) write(ctx context.Context, id string, change func(context.Context, *group) (done, error)) error {
	w, end, err := p.begin(ctx, cloudprovider.PoolID(id))
	if err != nil {
		return err
	}
	defer end()
	g, err := p.group(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWithin)
	defer cancel()
	d, err := change(ctx, g)

	p.mu.Lock()
	defer p.mu.Unlock()
	w.done++
	if d.wrote {
		p.cloud = amend(p.cloud, g.pool.ID, d.size, d.gone)
		p.show()
	}
	if d.wrote || err != nil {
		p.soon()
	}
	return statusError(err)
}

// done is what a change did.
type done struct {
	wrote bool
	size  int // the pool's, after it
	gone  map[cloudprovider.InstanceID]bool
}

// begin waits for the pool's turn.
func (p *Plugin) begin(ctx context.Context, id cloudprovider.PoolID) (*writing, func(), error) {
	if _, err := p.group(string(id)); err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	w := p.writes[id]
	if w == nil {
		w = &writing{turn: make(chan struct{}, 1)}
		p.writes[id] = w
	}
	p.mu.Unlock()
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, status.FromContextError(ctx.Err()).Err()
	}
	return w, func() { <-w.turn }, nil
}

// NodeGroupIncreaseSize grows a group from the size that the client has been
// told. If the size has changed meanwhile nothing happens: Aborted.
func (p *Plugin) NodeGroupIncreaseSize(ctx context.Context, r *wire.NodeGroupIncreaseSizeRequest) (*wire.NodeGroupIncreaseSizeResponse, error) {
	delta := int(r.GetDelta())
	if delta <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "increase size of %s by %d: want 1 or more", r.GetId(), delta)
	}
	err := p.write(ctx, r.GetId(), func(ctx context.Context, g *group) (done, error) {
		if want := g.base() + delta; want > g.bounds.Max {
			return done{}, fmt.Errorf("increase size of group %s by %d: %w: it would be %d, at most %d", g.pool.Name, delta, cloudprovider.ErrOutOfBounds, want, g.bounds.Max)
		}
		by := delta
		if g.run != nil {
			var more int
			if more, by = g.beyond(delta); more > 0 {
				if err := p.options.Cluster.raise(ctx, g.run, more); err != nil {
					return done{}, fmt.Errorf("increase size of group %s by %d while it is being turned over: %w", g.pool.Name, delta, err)
				}
			}
		}
		return p.grow(ctx, g, by)
	})
	if err != nil {
		return nil, err
	}
	return &wire.NodeGroupIncreaseSizeResponse{}, nil
}

// grow resizes the pool from the size in the view. While a run is under way the
// size goes up and down with its surge, and delta is meant on top of that: then
// the newest size is read and tried once more, for a client that is refused
// leaves the group alone for minutes.
func (p *Plugin) grow(ctx context.Context, g *group, delta int) (done, error) {
	err := p.options.Fleet.Resize(ctx, g.pool.ID, g.pool.Size, g.pool.Size+delta)
	if errors.Is(err, cloudprovider.ErrConflict) && g.run != nil {
		fresh, again := p.reread(ctx, g)
		if again != nil {
			return done{}, errors.Join(err, again)
		}
		g, err = fresh, p.options.Fleet.Resize(ctx, fresh.pool.ID, fresh.pool.Size, fresh.pool.Size+delta)
	}
	if err != nil {
		return done{}, err
	}
	return done{wrote: true, size: g.pool.Size + delta}, nil
}

// NodeGroupDecreaseTargetSize takes back machines that were asked for and never
// came; delta is negative. Where there are fewer of them than the client
// believes, as many go as there are: an error would end its loop for all groups,
// every time.
func (p *Plugin) NodeGroupDecreaseTargetSize(ctx context.Context, r *wire.NodeGroupDecreaseTargetSizeRequest) (*wire.NodeGroupDecreaseTargetSizeResponse, error) {
	delta := int(r.GetDelta())
	if delta >= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "decrease target size of %s by %d: want a negative number", r.GetId(), delta)
	}
	err := p.write(ctx, r.GetId(), func(ctx context.Context, g *group) (done, error) {
		if v := g.running(); !v.none() {
			return done{}, p.refused(v, "decrease target size of group "+g.pool.Name)
		}
		want := g.pool.Size + delta
		to := max(want, g.live(), 0)
		if to >= g.pool.Size {
			return done{}, refuse("decrease target size of group %s by %d: all %d machines are there, and live ones are not taken back", g.pool.Name, -delta, g.pool.Size)
		}
		if to != want {
			p.log.Warn("fewer machines are outstanding than the client believes", "group", g.pool.Name, "wanted", want, "size", to)
		}
		if err := p.options.Fleet.Resize(ctx, g.pool.ID, g.pool.Size, to); err != nil {
			return done{}, err
		}
		return done{wrote: true, size: to}, nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.NodeGroupDecreaseTargetSizeResponse{}, nil
}

// errRefused is a change that tidemill does not make as things are.
var errRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errRefused}, args...)...)
}

// statusError turns an error of the contract into one of gRPC. Unimplemented
// is never among them: to a client it means that the call does not exist.
func statusError(err error) error {
	if err == nil {
		return nil
	}
	if _, already := status.FromError(err); already {
		return err
	}
	for _, c := range []struct {
		err  error
		code codes.Code
	}{
		{errRefused, codes.FailedPrecondition},
		{cloudprovider.ErrNotFound, codes.NotFound},
		{cloudprovider.ErrConflict, codes.Aborted},
		{cloudprovider.ErrInvalid, codes.InvalidArgument},
		{cloudprovider.ErrNoCapacity, codes.ResourceExhausted},
		{cloudprovider.ErrQuota, codes.ResourceExhausted},
		{cloudprovider.ErrThrottled, codes.Unavailable},
		{cloudprovider.ErrUnauthorized, codes.PermissionDenied},
		{cloudprovider.ErrNotSupported, codes.FailedPrecondition},
		{cloudprovider.ErrOutOfBounds, codes.OutOfRange},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		if errors.Is(err, c.err) {
			return status.Error(c.code, err.Error())
		}
	}
	return status.Error(codes.Unavailable, err.Error())
}
