package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tidemill/tidemill/internal/e2e"
)

// examinations are the doctor's: processes of their own, as a user or a node runs
// them.
//
//	look s, run ms   wall time of the command, median of five
//	rss MiB          the most that one of them held
//	rest_rss MiB     what the agent holds between two rounds: the median of a look
//	                 each second
//	peak_rss MiB     the most that such a look saw
//	cpu millicores   of the agent over half a minute with a round every five seconds,
//	                 or over ten minutes with one a minute, its start included
//	binary MiB       of the agent, stripped
func examinations() []workload {
	return []workload{
		{"doctor/fleet-2000", "tidemill doctor at 2,000 nodes and 60,000 pods", examineFleet},
		{"doctor/host", "one examination of this machine by tidemill-doctor", examineHost},
		{"doctor/agent", "tidemill-doctor as it stays on a node, twelve times as busy", examineForever(5*time.Second, 33*time.Second)},
		{"doctor/agent-10m", "tidemill-doctor as it stays on a node, for ten minutes", examineForever(time.Minute, 10*time.Minute)},
	}
}

func examineFleet(ctx context.Context, b *bench, name string) error {
	return b.large(ctx, name, 2_000, 30, func(env *e2e.Env) error {
		binary, err := b.daemon(ctx)
		if err != nil {
			return err
		}
		// The cluster's own controllers still go through what has just been written,
		// and share the machine with the look.
		if _, err := env.MeasureMemory(ctx, time.Minute); err != nil {
			return err
		}
		return b.timed(name, "look", "s", func() *exec.Cmd {
			return exec.CommandContext(ctx, binary, "doctor", "-o", "json", "--kubeconfig", env.Cluster.Kubeconfig())
		})
	})
}

func examineHost(ctx context.Context, b *bench, name string) error {
	binary, drop, err := nodeBinary(ctx)
	if err != nil {
		return err
	}
	defer drop()
	return b.timed(name, "run", "ms", func() *exec.Cmd { return exec.CommandContext(ctx, binary, "-o", "json") })
}

// timed runs a command five times. That it finds something is no error.
func (b *bench) timed(name, metric, unit string, command func() *exec.Cmd) error {
	var took []time.Duration
	most := 0
	for range looks {
		cmd := command()
		cmd.Stdout = io.Discard
		begin := time.Now()
		held, err := runWatched(cmd)
		took, most = append(took, time.Since(begin)), max(most, held)
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			return fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
		}
	}
	figure := fmt.Sprintf("%.2f", middle(took).Seconds())
	if unit == "ms" {
		figure = fmt.Sprintf("%.0f", inMilliseconds(middle(took)))
	}
	b.figure(name, metric, figure, unit)
	b.figure(name, "rss", fmt.Sprintf("%.1f", float64(most)/1024), "MiB")
	return nil
}

// runWatched runs a command and gives the most that it held, in KiB. The kernel's
// account at its end (rusage) would not do: it begins with what this process held
// when it started the other.
func runWatched(cmd *exec.Cmd) (most int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return most, err
		case <-time.After(2 * time.Millisecond):
		}
		if rss, err := resident(cmd.Process.Pid, "VmHWM"); err == nil {
			most = max(most, rss)
		}
	}
}

// nodeBinary builds what stands on nodes as it is shipped.
func nodeBinary(ctx context.Context) (path string, drop func(), err error) {
	dir, err := os.MkdirTemp("", "bench-doctor-")
	if err != nil {
		return "", nil, err
	}
	drop = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, "tidemill-doctor")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/tidemill/tidemill/cmd/tidemill-doctor")
	if out, err := cmd.CombinedOutput(); err != nil {
		drop()
		return "", nil, fmt.Errorf("build tidemill-doctor: %w: %s", err, out)
	}
	return path, drop, nil
}

// examineForever is rounds of the agent, so far apart, for so long.
func examineForever(apart, watched time.Duration) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		return b.agent(ctx, name, apart, watched)
	}
}

func (b *bench) agent(ctx context.Context, name string, apart, watched time.Duration) error {
	binary, drop, err := nodeBinary(ctx)
	if err != nil {
		return err
	}
	defer drop()
	info, err := os.Stat(binary)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "--every", apart.String())
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOMEMLIMIT=40MiB")
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var held []int
	for begin := time.Now(); time.Since(begin) < watched; {
		select {
		case err := <-ended:
			return fmt.Errorf("the agent ended by itself: %w", err)
		case <-time.After(time.Second):
		}
		if rss, err := resident(cmd.Process.Pid, "VmRSS"); err == nil {
			held = append(held, rss)
		}
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), <-ended); err != nil {
		return err
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if len(held) == 0 {
		return errors.New("the agent was never seen")
	}
	slices.Sort(held)
	b.figure(name, "rest_rss", fmt.Sprintf("%.1f", float64(held[len(held)/2])/1024), "MiB")
	b.figure(name, "peak_rss", fmt.Sprintf("%.1f", float64(held[len(held)-1])/1024), "MiB")
	b.figure(name, "cpu", fmt.Sprintf("%.1f", 1000*cpu.Seconds()/watched.Seconds()), "millicores")
	b.figure(name, "binary", fmt.Sprintf("%.1f", float64(info.Size())/(1<<20)), "MiB")
	return nil
}
