package playground

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RestartAPI ends kube-apiserver as a crash does, every connection and watch with
// it, leaves the port dead for a while, and starts another one there. It returns
// when that one is ready. Unlike after an [Cluster.Outage] its watch caches are
// new; what it wrote is in etcd. Calls must not overlap each other or [Cluster.Stop].
func (c *Cluster) RestartAPI(ctx context.Context, down time.Duration) error {
	if err := c.api.wait(ctx, c.config); err != nil {
		return fmt.Errorf("restart kube-apiserver: %w", err) // see awaitAPI: its start must not be cut off
	}
	old := c.api
	begin := time.Now()
	old.gate.set(true)
	c.stopAPI()
	select {
	case <-old.done:
	case <-time.After(time.Minute):
		return errors.New("restart kube-apiserver: the old one does not end")
	case <-ctx.Done():
		return fmt.Errorf("restart kube-apiserver: %w", ctx.Err())
	}
	select {
	case <-time.After(down - time.Since(begin)):
	case <-ctx.Done():
		return fmt.Errorf("restart kube-apiserver: %w", ctx.Err())
	}
	if err := c.serveAPI(old.address); err != nil {
		return fmt.Errorf("restart kube-apiserver: %w", err)
	}
	if err := c.api.wait(ctx, c.config); err != nil {
		return fmt.Errorf("restart kube-apiserver: %w", err)
	}
	return nil
}

// EtcdDoor is the way of the API server to etcd, nil unless Options asked for it.
func (c *Cluster) EtcdDoor() *Door { return c.etcdDoor }
