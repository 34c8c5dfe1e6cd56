package main

import (
	"context"
	"sync"
	"time"
)

// How often the API server is asked for its version, and how long a look waits for the
// answer.
const (
	planeEvery  = time.Minute
	planeWithin = 2 * time.Second
)

// plane is the control plane's version, which an upgrade changes under a daemon that
// lives on. Held to the version of its start it would refuse pools the new one as too
// new, and call nodes broken that run it. While nobody answers the last answer holds.
type plane struct {
	ask func(context.Context) (string, error)

	mu    sync.Mutex // guards the fields below
	known string
	asked time.Time
}

// controlPlane is the version of c's API server from now on.
func (c *cluster) controlPlane() *plane {
	ask := func(ctx context.Context) (string, error) {
		again := &cluster{config: c.config, server: c.server}
		err := again.ask(ctx)
		return again.version, err
	}
	return &plane{ask: ask, known: c.version, asked: time.Now()}
}

// version is as of the last minute.
func (p *plane) version() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.asked) < planeEvery {
		return p.known
	}
	ctx, cancel := context.WithTimeout(context.Background(), planeWithin)
	defer cancel()
	p.asked = time.Now()
	if now, err := p.ask(ctx); err == nil && now != "" {
		p.known = now
	}
	return p.known
}
