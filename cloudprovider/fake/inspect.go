package fake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/cloudprovider"
)

// maxConsole is the contract's bound.
const maxConsole = 1 << 20

// Plan announces a maintenance of the machine that it names.
func (c *Cloud) Plan(m cloudprovider.Maintenance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned = append(c.planned, m)
}

// SetConsole replaces what a machine has written to its console.
func (c *Cloud) SetConsole(id cloudprovider.InstanceID, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consoles == nil {
		c.consoles = map[cloudprovider.InstanceID]string{}
	}
	c.consoles[id] = text
}

// Maintenance implements [cloudprovider.Inspector].
func (c *Cloud) Maintenance(ctx context.Context, id cloudprovider.PoolID) (list []cloudprovider.Maintenance, err error) {
	err = c.serve(ctx, Call{Op: "Maintenance", Pool: id}, func(p *pool) error {
		for _, m := range c.planned {
			if e := p.entry(m.Instance); e != nil && e.deleting.IsZero() {
				list = append(list, m)
			}
		}
		slices.SortStableFunc(list, func(a, b cloudprovider.Maintenance) int { return a.Start.Compare(b.Start) })
		return nil
	})
	return list, err
}

// Console implements [cloudprovider.Inspector].
func (c *Cloud) Console(ctx context.Context, id cloudprovider.PoolID, in cloudprovider.InstanceID) (text []byte, err error) {
	err = c.serve(ctx, Call{Op: "Console", Pool: id, IDs: []cloudprovider.InstanceID{in}}, func(p *pool) error {
		if in.Placeholder() {
			return fmt.Errorf("read console of %s: %w: there is no machine", in, cloudprovider.ErrInvalid)
		}
		if p.entry(in) == nil {
			return fmt.Errorf("read console of %s: %w", in, cloudprovider.ErrNotFound)
		}
		said := c.consoles[in]
		if said == "" {
			said = "Linux version 5.15.0\n" + string(in) + " login: "
		}
		text = []byte(strings.Clone(said[max(len(said)-maxConsole, 0):]))
		return nil
	})
	return text, err
}
