package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/playground"
)

// A running cluster takes orders through a socket in its directory: the
// directory's mode is the access control, and no web page can reach it.
const adminSocket = "admin.sock"

// An order is something to be done to a running cluster.
type order struct {
	Fault *faultOrder `json:"fault,omitempty"`
}

type faultOrder struct {
	Node string `json:"node"`
	Kind string `json:"kind"`
	Heal bool   `json:"heal"`
}

// serveAdmin takes orders for a cluster until it is closed.
func serveAdmin(c *playground.Cluster) (io.Closer, error) {
	path := filepath.Join(c.Dir(), adminSocket)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for orders: %w\nhint: a socket's path may have about 100 characters; choose a shorter --dir", err)
	}
	mux := http.NewServeMux()
	mux.Handle(cloudPath+"/", cloudOrders(c))
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var o order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := obey(r.Context(), c, o); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: mux}
	go func() { _ = server.Serve(listener) }() // ends when closed
	return server, nil
}

func obey(ctx context.Context, c *playground.Cluster, o order) error {
	if o.Fault == nil {
		return errors.New("an order without content")
	}
	fault, err := playground.ParseFault(o.Fault.Kind)
	if err != nil {
		return err
	}
	if o.Fault.Heal {
		return c.Heal(ctx, o.Fault.Node, fault)
	}
	return c.Fault(ctx, o.Fault.Node, fault)
}

// give sends an order to the cluster in dir, or to the only one that runs.
func give(ctx context.Context, dir string, o order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	answer, err := ask(ctx, dir, http.MethodPost, "/", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// ask sends a request to the cluster in dir, or to the only one that runs. The caller closes the answer.
func ask(ctx context.Context, dir, method, what string, body []byte) (*http.Response, error) {
	path, err := findSocket(dir)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	request, err := http.NewRequestWithContext(ctx, method, "http://playground"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster in %s: %w\nhint: is it still running? start one with: playground up", filepath.Dir(path), err)
	}
	return answer, nil
}

func findSocket(dir string) (string, error) {
	if dir != "" {
		return filepath.Join(dir, adminSocket), nil
	}
	found, err := filepath.Glob(filepath.Join(os.TempDir(), playground.DirPrefix+"*", adminSocket))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", errors.New("no playground is running in the temporary directory\nhint: start one with: playground up; or name its directory with --dir")
	case len(found) > 1:
		return "", fmt.Errorf("%d playgrounds are running\nhint: name one with --dir: %s", len(found), strings.ReplaceAll(strings.Join(found, " "), "/"+adminSocket, ""))
	}
	return found[0], nil
}
