package playground

import (
	"net"
	"sync"
)

// A gate is the listener of the API server, with a door in it. While it is shut
// every connection is closed, also those under way: requests that the server has
// read are served and their answers lost, all later ones meet a closed door. To
// a client this is an API server that restarts, and to the cluster too: kubelets
// cannot report, controllers see nothing, leases run out.
//
// The server itself is left running: it is up again at once. [Cluster.RestartAPI]
// starts another one.
type gate struct {
	net.Listener

	mu   sync.Mutex
	shut bool
	open map[*guarded]struct{}
}

func newGate(l net.Listener) *gate { return &gate{Listener: l, open: map[*guarded]struct{}{}} }

// Accept implements [net.Listener].
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in := g.let(c); in != nil {
			return in, nil
		}
		_ = c.Close()
	}
}

// let lets a connection in, nil while the gate is shut.
func (g *gate) let(c net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil
	}
	in := &guarded{Conn: c, gate: g}
	g.open[in] = struct{}{}
	return in
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	g.shut = shut
	var cut []*guarded
	for c := range g.open {
		if shut {
			cut = append(cut, c)
		}
	}
	g.mu.Unlock()
	for _, c := range cut {
		_ = c.Close()
	}
}

// guarded is a connection that the gate can find again.
type guarded struct {
	net.Conn
	gate *gate
}

func (c *guarded) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// Outage takes the API server away from everybody, kubelets and controllers
// included, or (false) gives it back. The machines and the cloud go on.
func (c *Cluster) Outage(away bool) { c.api.gate.set(away) }
