package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Daemon is `tidemill run` as a process of its own. It may be started, killed
// and started again; each life appends to the same log.
type Daemon struct {
	binary string
	args   []string
	env    []string
	log    string

	mu   sync.Mutex
	life *life // nil while it does not run
}

// life is one process from its start to its end.
type life struct {
	cmd   *exec.Cmd
	asked bool // somebody wants it to end
	ended chan struct{}
	err   error // how it ended; read after ended is closed
}

// NewDaemon prepares a process; the log is written into dir.
func NewDaemon(binary, dir string, env []string, args ...string) *Daemon {
	return &Daemon{binary: binary, args: args, env: env, log: filepath.Join(dir, "tidemill.log")}
}

// Log is the path of what the daemon said in all of its lives.
func (d *Daemon) Log() string { return d.log }

// Start starts it. It does nothing while it runs.
func (d *Daemon) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life != nil && !d.life.over() {
		return nil
	}
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open daemon log: %w", err)
	}
	defer func() { _ = out.Close() }() // the process has its own descriptor
	cmd := exec.Command(d.binary, d.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), d.env...)
	// A group of its own: ctrl-C at the terminal is for the story, which ends the
	// daemon in good order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	l := &life{cmd: cmd, ended: make(chan struct{})}
	go func() {
		l.err = cmd.Wait()
		close(l.ended)
	}()
	d.life = l
	return nil
}

func (l *life) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Kill is SIGKILL: no goodbye, nothing flushed, nothing released.
func (d *Daemon) Kill() error { return d.end(syscall.SIGKILL, time.Minute) }

// Stop is SIGTERM as a node's kubelet sends it, and SIGKILL when that is ignored
// for as long as a kubelet waits by default.
func (d *Daemon) Stop() error {
	if err := d.end(syscall.SIGTERM, 30*time.Second); err != nil {
		return errors.Join(err, d.Kill())
	}
	return nil
}

func (d *Daemon) end(sig syscall.Signal, patience time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.life
	if l == nil {
		return nil
	}
	l.asked = true
	if !l.over() {
		if err := l.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal daemon: %w", err)
		}
	}
	select {
	case <-l.ended:
		d.life = nil
		return nil
	case <-time.After(patience):
		return fmt.Errorf("daemon did not end within %s of %s", patience, sig)
	}
}

// Err is nil while the daemon runs or has been ended by the story, and says how
// it died otherwise.
func (d *Daemon) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life == nil || d.life.asked || !d.life.over() {
		return nil
	}
	return fmt.Errorf("daemon ended by itself: %w", d.life.err)
}

// RSS is the resident memory of the process in bytes, PeakRSS the most that it
// ever was, from /proc.
func (d *Daemon) RSS() (int64, error) { return d.weight("VmRSS:") }

// PeakRSS is described with RSS.
func (d *Daemon) PeakRSS() (int64, error) { return d.weight("VmHWM:") }

func (d *Daemon) weight(key string) (int64, error) {
	status, err := d.proc("status")
	if err != nil {
		return 0, fmt.Errorf("read memory of daemon: %w", err)
	}
	for line := range strings.Lines(status) {
		if text, ok := strings.CutPrefix(line, key); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("read memory of daemon: /proc has no %s", key)
}

// CPU is how long the process has been on a core, in user code and the kernel.
func (d *Daemon) CPU() (time.Duration, error) {
	stat, err := d.proc("stat")
	if err != nil {
		return 0, fmt.Errorf("read time of daemon: %w", err)
	}
	// What follows the command's name, in parentheses: state, then numbers, of
	// which the 12th and 13th are times in ticks of a hundredth of a second.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("read time of daemon: /proc has no times")
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read time of daemon: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// proc reads a file of the process's directory in /proc.
func (d *Daemon) proc(file string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life == nil {
		return "", errors.New("it does not run")
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", d.life.cmd.Process.Pid, file))
	return string(text), err
}

// Command runs the binary once, as a person would, and returns what it wrote to
// stdout and stderr and its exit code.
func Command(ctx context.Context, binary string, env []string, args ...string) (stdout, stderr string, code int, err error) {
	var out, talk strings.Builder
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	cmd.Env = append(os.Environ(), env...)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return out.String(), talk.String(), exit.ExitCode(), nil
	}
	if err != nil {
		err = fmt.Errorf("run %s %s: %w", filepath.Base(binary), strings.Join(args, " "), err)
	}
	return out.String(), talk.String(), 0, err
}
