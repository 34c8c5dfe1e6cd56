package wire

import (
	"net"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// What one who reaches the socket may cost, be it a cluster-autoscaler that has
// gone wrong or a stranger. A cluster-autoscaler opens one connection and calls
// one method at a time; the rest is for more of them and for health probes.
const (
	MaxConnections = 64
	MaxStreams     = 32               // calls under way on one connection
	MaxHead        = 16 << 10         // bytes of a call's headers
	HandshakeTime  = 10 * time.Second // until a connection has ended TLS and HTTP/2
)

// Bounds are the options that every server of these protocols begins with.
func Bounds() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxConcurrentStreams(MaxStreams),
		grpc.MaxHeaderListSize(MaxHead),
		grpc.ConnectionTimeout(HandshakeTime),
		// A client that is gone without a word gives its place back.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}
}

// Limit accepts MaxConnections from l at a time; the next wait.
func Limit(l net.Listener) net.Listener { return netutil.LimitListener(l, MaxConnections) }
