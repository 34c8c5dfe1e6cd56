package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/bundle"
	"github.com/tidemill/tidemill/internal/plain"
)

// Examine is one examination, with its brief if one is wanted. The report is
// whole where the error is about a file beside it.
func (o *Options) Examine(ctx context.Context) (doctor.Report, error) {
	r, err := doctor.ExamineHost(ctx, o.Host())
	if o.Brief == "" {
		return r, err
	}
	// A termination log is a mount of its own: it cannot be replaced, only written.
	if failed := os.WriteFile(o.Brief, r.Brief(), 0o644); failed != nil {
		err = errors.Join(err, fmt.Errorf("write %s: %w", o.Brief, failed))
	}
	return r, err
}

// Print writes a report where it is wanted, and the host's files after it if they
// are.
func (o *Options) Print(stdout io.Writer, r doctor.Report, format string) error {
	if o.WriteTo != "" {
		return WriteFile(o.WriteTo, func(w io.Writer) error { return r.Write(w, format) })
	}
	out := plain.NewWriter(stdout)
	if err := r.Write(out, format); err != nil || !o.Files {
		return errors.Join(err, out.Flush())
	}
	h, err := doctor.OpenHost(o.Root)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	for _, f := range bundle.Collect(o.Root, h.Kmsg) {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return out.Flush()
}
