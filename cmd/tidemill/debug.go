package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// serveDebug serves profiles of this process until ctx ends: where its memory
// and its time go.
//
//	go tool pprof http://127.0.0.1:6060/debug/pprof/heap
//
// A profile tells names of functions and nothing of the cluster, but taking one
// costs time, and a trace shows what the process does: only this machine may
// ask. In a pod that is whoever may port-forward to it.
func serveDebug(ctx context.Context, address string, log *slog.Logger) error {
	if address == "0" || address == "" {
		return nil
	}
	if err := loopback(address); err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return usage(fmt.Errorf("serve profiles: %w", err), "is another process listening there? --debug-address 0 serves none")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, MaxHeaderBytes: metricsHeadBytes, ReadHeaderTimeout: metricsHeadTime, WriteTimeout: 5 * time.Minute, IdleTimeout: metricsIdle}
	context.AfterFunc(ctx, func() { server.Close() })
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles are not served any more", "error", err)
		}
	}()
	log.Info("serving profiles", "address", l.Addr().String())
	return nil
}

// loopback refuses an address that others than this machine reach.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage(fmt.Errorf("--debug-address %q: %w", address, err), "such as 127.0.0.1:6060")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage(fmt.Errorf("--debug-address %q is not on the loopback interface", address), "127.0.0.1:6060, and kubectl port-forward to reach it")
	}
	return nil
}
