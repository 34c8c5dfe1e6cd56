// Command bench measures named workloads and prints figures.
//
//	go run ./bench [-run REGEXP]
//
// Each figure is one line on stdout: workload, metric, value and unit, separated
// by tabs. Everything else goes to stderr. What a figure means is in
// workloads.go, one entry of a literal list for each workload.
//
//	workload ─► playground + daemon (a process, built here) ─► figure, figure, ...
//
// Figures are printed and never asserted: a machine that is busy is slow, and no
// reason to call a change bad. A workload that cannot be carried out is one: the
// exit code is 1 then, and 2 when the command line makes no sense.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("run", "", "run the workloads whose name matches this `regexp`; they are "+names())
	if err := flags.Parse(args); err != nil {
		return 2
	}
	match, err := regexp.Compile(*pattern)
	if err != nil || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bench: error: usage: bench [-run REGEXP], the workloads are %s\n", names())
		return 2
	}
	chosen := choose(match)
	if len(chosen) == 0 {
		fmt.Fprintf(stderr, "bench: error: no workload matches %q\nbench: hint: the workloads are %s\n", *pattern, names())
		return 2
	}
	b := &bench{stdout: stdout, stderr: stderr}
	defer b.cleanUp()
	code := 0
	for _, w := range chosen {
		begin := time.Now()
		fmt.Fprintf(stderr, "bench: %s: %s\n", w.name, w.about)
		if err := w.run(ctx, b, w.name); err != nil {
			fmt.Fprintf(stderr, "bench: error: %s: %v\n", w.name, err)
			code = 1
		}
		fmt.Fprintf(stderr, "bench: %s took %.0f s\n", w.name, time.Since(begin).Seconds())
	}
	return code
}

// bench is what workloads print on and share.
type bench struct {
	stdout, stderr io.Writer
	dir            string   // of the binary; "" before it was built
	peers          []string // directories of peers' binaries
}

// figure prints one line.
func (b *bench) figure(workload, metric, value, unit string) {
	fmt.Fprintf(b.stdout, "%s\t%s\t%s\t%s\n", workload, metric, value, unit)
}

// daemon builds the binary under test, once.
func (b *bench) daemon(ctx context.Context) (string, error) {
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "tidemill-bench-")
		if err != nil {
			return "", fmt.Errorf("make directory: %w", err)
		}
		b.dir = dir
		fmt.Fprintln(b.stderr, "bench: building tidemill")
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "tidemill"), "github.com/tidemill/tidemill/cmd/tidemill")
		build.Stdout, build.Stderr = b.stderr, b.stderr
		if err := build.Run(); err != nil {
			return "", fmt.Errorf("build tidemill: %w", err)
		}
	}
	return filepath.Join(b.dir, "tidemill"), nil
}

func (b *bench) cleanUp() {
	for _, dir := range b.peers {
		_ = os.RemoveAll(dir)
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}
