package playground

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/klog/v2"
)

// Kubernetes' components log through klog, one logger per process. Two clusters
// in one process therefore share their log lines: each sink gets them all.
var klogSinks fanOut

// A fanOut copies what is written to every sink. Its errors are nobody's: a log
// that cannot be written must not stop a control plane.
type fanOut struct {
	mu    sync.Mutex
	sinks []*sink
}

type sink struct{ w io.Writer }

func (f *fanOut) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sinks {
		_, _ = s.w.Write(p)
	}
	return len(p), nil
}

// add begins copying to w and returns the end of it.
func (f *fanOut) add(w io.Writer) (remove func()) {
	s := &sink{w}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinks = append(f.sinks, s)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sinks = slices.DeleteFunc(f.sinks, func(other *sink) bool { return other == s })
	}
}

var routeKlog = sync.OnceValue(func() error {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	klog.SetOutput(&klogSinks)
	return errors.Join(
		flags.Set("logtostderr", "false"),
		flags.Set("stderrthreshold", "FATAL"), // errors would go to the terminal as well
		flags.Set("one_output", "true"))       // and be written once for each severity below theirs
})

// openLog takes the components' log away from the terminal and into the
// cluster's writer. The returned close puts nothing back: lines of goroutines
// that outlive the cluster by a moment must not appear on a terminal either.
func openLog(dir string, o Options) (w io.Writer, closeLog func(), err error) {
	if err := routeKlog(); err != nil {
		return nil, nil, fmt.Errorf("redirect log: %w", err)
	}
	if o.Verbose {
		var level klog.Level
		if err := level.Set("2"); err != nil {
			return nil, nil, fmt.Errorf("set log level: %w", err)
		}
	}
	if o.Log != nil {
		return &klogSinks, klogSinks.add(o.Log), nil
	}
	file, err := os.OpenFile(filepath.Join(dir, "playground.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	remove := klogSinks.add(file)
	return &klogSinks, func() { remove(); _ = file.Close() }, nil
}
