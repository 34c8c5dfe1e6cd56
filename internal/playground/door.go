package playground

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Door is a piece of network that can break: a TCP forwarder on loopback, put
// in front of a server for the sake of one client.
//
//	client ──► Door ──► server        Pass    as if it were not there
//	                                  Refuse  connections are reset, new ones too
//	                                  Silent  nothing is refused and nothing arrives; bytes wait
//	                                  slow    every piece waits a while, in both directions
//
// Silent is what a broken route or a firewall looks like: the client learns of
// it by its own deadlines only. What was sent meanwhile arrives when the door
// passes again, as TCP would deliver it.
type Door struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	turned *sync.Cond // mode or delay changed, or closed
	mode   DoorMode
	delay  time.Duration
	closed bool
	open   map[net.Conn]struct{}
	passed int64 // bytes
	cuts   int
}

// DoorMode is what a Door does to traffic.
type DoorMode int

// The modes.
const (
	DoorUnknown DoorMode = iota
	DoorPass
	DoorRefuse
	DoorSilent
)

var doorModes = [...]string{"unknown", "pass", "refuse", "silent"}

// String gives the mode's name.
func (m DoorMode) String() string {
	if m < 0 || int(m) >= len(doorModes) {
		return doorModes[0]
	}
	return doorModes[m]
}

// NewDoor opens a door to host:port on a free port of loopback.
func NewDoor(to string) (*Door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	d := &Door{to: to, listener: l, mode: DoorPass, open: map[net.Conn]struct{}{}}
	d.turned = sync.NewCond(&d.mu)
	go d.accept()
	return d, nil
}

// Address is where the client dials, host:port.
func (d *Door) Address() string { return d.listener.Addr().String() }

// Turn changes what happens to traffic, also to that of connections that stand.
func (d *Door) Turn(mode DoorMode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mode = mode
	if mode == DoorRefuse {
		d.cutAll()
	}
	d.turned.Broadcast()
}

// Slow delays every piece of traffic, in each direction; 0 ends it.
func (d *Door) Slow(delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = delay
}

// Cut resets the connections that stand; new ones are welcome.
func (d *Door) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutAll()
}

// Close ends the door and what passes through it.
func (d *Door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.cutAll()
	d.turned.Broadcast()
	return d.listener.Close()
}

// Passed is how many bytes went through and how many connections were cut.
func (d *Door) Passed() (bytes int64, cuts int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed, d.cuts
}

func (d *Door) cutAll() {
	for c := range d.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, as a dead host's neighbour sends it
		}
		_ = c.Close()
		d.cuts++
	}
	clear(d.open)
}

func (d *Door) accept() {
	for {
		c, err := d.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go d.serve(c)
		}
	}
}

// serve forwards one connection. It dials first while the door is silent: what
// is lost on the way is what comes after.
func (d *Door) serve(client net.Conn) {
	if !d.enter(client) {
		return
	}
	defer d.leave(client)
	server, err := net.DialTimeout("tcp", d.to, 5*time.Second)
	if err != nil || !d.enter(server) {
		return // the client is reset by leave: nobody listens behind the door
	}
	defer d.leave(server)
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{server, client}, {client, server}} {
		go func() {
			d.forward(way[0], way[1])
			ended <- struct{}{}
		}()
	}
	<-ended // one direction is over: both are
}

// enter takes a connection into the list, unless it is refused.
func (d *Door) enter(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.mode == DoorRefuse {
		_ = c.Close()
		return false
	}
	d.open[c] = struct{}{}
	return true
}

func (d *Door) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
	_ = c.Close()
}

// forward copies until either side ends.
func (d *Door) forward(to io.Writer, from io.Reader) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && d.pass(n) {
			if _, werr := to.Write(piece[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until a piece may go on; false is never.
func (d *Door) pass(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delay := d.delay; delay > 0 {
		d.mu.Unlock()
		time.Sleep(delay) // the distance itself, nobody's luck
		d.mu.Lock()
	}
	for d.mode == DoorSilent && !d.closed {
		d.turned.Wait()
	}
	d.passed += int64(n)
	return !d.closed
}
