package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/tidemill/tidemill/internal/okesim"
)

// apiFault is a fault of the cloud's API, as flags.
type apiFault struct {
	okesim.FaultOrder
	retryAfter, delay time.Duration
}

func (f *apiFault) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.Op, "api", "", "make an `operation` of the cloud's API fail instead of a node (\"*\" is any)")
	flags.IntVar(&f.Times, "times", 1, "with --api: how many requests; -1 until --heal")
	flags.IntVar(&f.Status, "status", 0, "with --api: HTTP `status` of the answer")
	flags.StringVar(&f.Code, "code", "", "with --api: OCI error `code` (default by status)")
	flags.StringVar(&f.Message, "message", "", "with --api: `text` of the error")
	flags.DurationVar(&f.retryAfter, "retry-after", 0, "with --api: Retry-After header")
	flags.DurationVar(&f.delay, "delay", 0, "with --api: answer this much later")
	flags.BoolVar(&f.Lost, "lost", false, "with --api: drop the request, nothing is done")
	flags.BoolVar(&f.Drop, "drop", false, "with --api: do what is asked and drop the answer")
	flags.BoolVar(&f.Truncate, "truncate", false, "with --api: cut the answer in half")
	flags.BoolVar(&f.Stale, "stale", false, "with --api: answer a read as it was answered the last time")
	flags.Float64Var(&f.Chance, "chance", 0, "with --api: `probability` of striking a request (default always)")
}

// order arms the fault in the cluster in dir, or with heal disarms it.
func (f *apiFault) order(ctx context.Context, dir string, heal bool, talk io.Writer) error {
	if heal {
		op := f.Op
		if op == "*" {
			op = ""
		}
		if _, err := tellCloud(ctx, dir, http.MethodDelete, "/faults?op="+url.QueryEscape(op), ""); err != nil {
			return err
		}
		fmt.Fprintf(talk, "%s is rid of its faults\n", f.Op)
		return nil
	}
	if f.Times == 0 {
		return usageError{errors.New("--times 0 would do nothing")}
	}
	for text, d := range map[*string]time.Duration{&f.RetryAfter: f.retryAfter, &f.Delay: f.delay} {
		if d > 0 {
			*text = d.String()
		}
	}
	body, err := json.Marshal(f.FaultOrder)
	if err != nil {
		return err
	}
	if _, err := tellCloud(ctx, dir, http.MethodPost, "/faults", string(body)); err != nil {
		return err
	}
	fmt.Fprintf(talk, "%s meets %s\n", f.Op, body)
	return nil
}
