package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
)

// served is a server of metrics on loopback with room for two connections and
// little patience.
func served(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := metricsServer(prometheus.NewRegistry(), func() bool { return true })
	if s.ReadHeaderTimeout != metricsHeadTime || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != metricsHeadBytes {
		t.Errorf("a bound is missing: %+v", s)
	}
	s.ReadHeaderTimeout = 300 * time.Millisecond
	go s.Serve(netutil.LimitListener(l, 2))
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// Who sends a head byte by byte and never ends it is hung up on, and who came
// meanwhile gets an answer.
func TestSlowClientIsHungUpOn(t *testing.T) {
	address := served(t)
	var slow []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get("http://" + address + "/healthz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("nobody else gets an answer: %v", err)
	}
	resp.Body.Close()
	for _, c := range slow {
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := io.ReadAll(c); errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("a slow client is still served")
		}
	}
}

func TestLongHeadIsRefused(t *testing.T) {
	c, err := net.Dial("tcp", served(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 64 KiB is answered %s", resp.Status)
	}
}
