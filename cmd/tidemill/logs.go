package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tidemill/tidemill/internal/plain"
)

// logger makes the command's logger.
func (g *globals) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.logLevel)); err != nil {
		return nil, usage(fmt.Errorf("log level %q is none of debug, info, warn, error", g.logLevel))
	}
	w = plain.NewWriter(w) // slog writes one record at a time, whole
	options := &slog.HandlerOptions{Level: level}
	switch g.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, usage(fmt.Errorf("log format %q is neither text nor json", g.logFormat))
}

// routeLogs sends what client-go (klog) and controller-runtime (logr) log to
// the same place and in the same form.
func routeLogs(log *slog.Logger) {
	klog.SetSlogLogger(log.With("from", "client-go"))
	ctrllog.SetLogger(logr.FromSlogHandler(log.With("from", "controller-runtime").Handler()))
}

// quietLogs drops them: in a command that ends soon they are noise, and every
// error reaches the user by the ordinary way.
func quietLogs() {
	silent := slog.New(slog.DiscardHandler)
	klog.SetSlogLogger(silent)
	ctrllog.SetLogger(logr.FromSlogHandler(silent.Handler()))
}
