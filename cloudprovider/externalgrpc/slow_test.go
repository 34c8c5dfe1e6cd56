package externalgrpc

import (
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// One who connects and says nothing, or half a preface, is hung up on: its place
// is one of few. The bound is the server's own, so that this takes as long.
func TestSilentClientIsHungUpOn(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(wire.Bounds()...)
	go server.Serve(wire.Limit(l))
	t.Cleanup(server.Stop)
	for _, begin := range []string{"", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: x\r\n"} {
		t.Run(begin, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(3 * wire.HandshakeTime)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); err != nil {
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					t.Error("the connection still stands")
				}
			}
		})
	}
}
