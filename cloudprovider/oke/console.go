package oke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

const (
	// consoleBytes is the contract's bound, and as much as Compute captures.
	consoleBytes = 1 << 20
	// consolePatience is how long a capture may take; the service needs seconds.
	consolePatience = 90 * time.Second
	// consolePause is the first pause between two looks at a capture; it doubles to
	// eight times as much.
	consolePause = time.Second
	// consoleTidy is how long the removal may take once the caller has gone.
	consoleTidy = 10 * time.Second
)

// Console implements [cloudprovider.Inspector]. It costs the look at the pool,
// the capture, a look or two at it, the text and the removal.
func (p *Provider) Console(ctx context.Context, id cloudprovider.PoolID, in cloudprovider.InstanceID) ([]byte, error) {
	text, err := p.console(ctx, id, in)
	if err != nil {
		return nil, fmt.Errorf("read console of instance %s: %w", in, err)
	}
	return text, nil
}

func (p *Provider) console(ctx context.Context, id cloudprovider.PoolID, in cloudprovider.InstanceID) ([]byte, error) {
	if in.Placeholder() {
		return nil, fmt.Errorf("%w: there is no machine", cloudprovider.ErrInvalid)
	}
	l, err := p.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if stateOf(l.pool.Nodes, string(in)) == "" {
		return nil, fmt.Errorf("%w: node pool %s does not list it", cloudprovider.ErrNotFound, id)
	}
	ctx, cancel := context.WithTimeout(ctx, consolePatience)
	defer cancel()
	node, token := string(in), retryToken()
	// The token makes of several requests one capture, so that it may be asked for
	// again like a read.
	pol := p.readPolicy
	r, err := call(ctx, p, pol, "CaptureConsoleHistory", func(ctx context.Context) (core.CaptureConsoleHistoryResponse, error) {
		return p.compute.CaptureConsoleHistory(ctx, core.CaptureConsoleHistoryRequest{OpcRetryToken: &token,
			CaptureConsoleHistoryDetails: core.CaptureConsoleHistoryDetails{InstanceId: &node, DisplayName: common.String("tidemill-doctor")}})
	})
	if err != nil {
		return nil, err
	}
	defer p.removeConsole(ctx, str(r.Id))
	if err := p.captured(ctx, r.ConsoleHistory); err != nil {
		return nil, err
	}
	return p.consoleText(ctx, str(r.Id))
}

// captured waits until the service has the text.
func (p *Provider) captured(ctx context.Context, h core.ConsoleHistory) error {
	id := str(h.Id)
	for n := 0; ; n++ {
		switch h.LifecycleState {
		case core.ConsoleHistoryLifecycleStateSucceeded:
			return nil
		case core.ConsoleHistoryLifecycleStateFailed:
			return fmt.Errorf("the service could not capture it (%s)", id)
		}
		if err := sleep(ctx, p.consolePause<<min(n, 3)); err != nil {
			return fmt.Errorf("%w; the capture is %s", err, h.LifecycleState)
		}
		r, err := call(ctx, p, p.readPolicy, "GetConsoleHistory", func(ctx context.Context) (core.GetConsoleHistoryResponse, error) {
			return p.compute.GetConsoleHistory(ctx, core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
		})
		if err != nil {
			return err
		}
		h = r.ConsoleHistory
	}
}

// consoleText reads a capture to its end and keeps the end.
func (p *Provider) consoleText(ctx context.Context, id string) ([]byte, error) {
	var text []byte
	for offset := 0; ; {
		r, err := call(ctx, p, p.readPolicy, "GetConsoleHistoryContent", func(ctx context.Context) (core.GetConsoleHistoryContentResponse, error) {
			return p.compute.GetConsoleHistoryContent(ctx, core.GetConsoleHistoryContentRequest{InstanceConsoleHistoryId: &id, Offset: &offset, Length: common.Int(consoleBytes)})
		})
		if err != nil {
			return nil, err
		}
		part := str(r.Value)
		text = append(text, part...)
		text = text[max(len(text)-consoleBytes, 0):]
		// What promises more and gives nothing would be asked for ever.
		if number(r.OpcBytesRemaining) <= 0 || part == "" || offset > 4*consoleBytes {
			return text, nil
		}
		offset += len(part)
	}
}

// removeConsole takes the capture away again, also when the caller has gone.
// One that stays is listed under the instance and costs nothing; the log says so.
func (p *Provider) removeConsole(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), consoleTidy)
	defer cancel()
	_, err := call(ctx, p, p.readPolicy, "DeleteConsoleHistory", func(ctx context.Context) (core.DeleteConsoleHistoryResponse, error) {
		return p.compute.DeleteConsoleHistory(ctx, core.DeleteConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
	})
	if err != nil && !errors.Is(err, cloudprovider.ErrNotFound) {
		p.log.WarnContext(ctx, "remove console history", "id", id, "err", err)
	}
}
