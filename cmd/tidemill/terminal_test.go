//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tube is a real terminal: the command's end of it, and a person's.
type tube struct {
	person, command *os.File
	mu              sync.Mutex
	shown           bytes.Buffer
}

func openTube(t *testing.T, columns, rows uint16) *tube {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	command, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	u := &tube{person: person, command: command}
	u.resize(t, columns, rows)
	t.Cleanup(func() { _, _ = command.Close(), person.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := person.Read(buffer)
			if err != nil {
				return
			}
			u.mu.Lock()
			u.shown.Write(buffer[:n])
			u.mu.Unlock()
		}
	}()
	return u
}

func (u *tube) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(u.command.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

func (u *tube) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := u.person.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// see waits until what was shown is as it should be, and forgets it.
func (u *tube) see(t *testing.T, what string, is func(string) bool) string {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, ok := u.take(is); ok {
			return text
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	t.Fatalf("%s was not seen: %q", what, u.shown.String())
	return ""
}

func (u *tube) take(is func(string) bool) (text string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if text = u.shown.String(); is(text) {
		u.shown.Reset()
		return text, true
	}
	return "", false
}

// start runs the command at the terminal, as a shell would.
func (u *tube) start(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"tidemill"}, args...), Stdin: u.command, Stdout: u.command, Stderr: u.command,
		Env: append([]string{"HOME=" + t.TempDir(), "TERM=xterm-256color"}, env...), SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func contains(words ...string) func(string) bool {
	return func(text string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
}

// TestWatchAtATerminal has a person look: the page fits the window and follows its
// size, ctrl-Z lends the terminal to the shell, ctrl-C gives it back as it was. The
// next look is an hour away: what is painted is painted for the window's sake.
func TestWatchAtATerminal(t *testing.T) {
	u, kubeconfig := openTube(t, 80, 24), smallServer(t)
	before, err := unix.IoctlGetTermios(int(u.command.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := u.start(t, nil, "status", "--watch", "--every", "1h", "--kubeconfig", kubeconfig)
	first := u.see(t, "the page", contains(secondPage, "▰▰▰▱", "CycleStarted", "\x1b[J"))
	if !strings.Contains(first, "\x1b[1mPOOL") {
		t.Errorf("no colours at a terminal: %q", first)
	}
	u.resize(t, 30, 10)
	small := u.see(t, "the page in a smaller window", contains("\x1b[H", "\x1b[J"))
	for line := range strings.SplitSeq(strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "", "\x1b[36m", "", "\x1b[H", "", "\x1b[J", "", "\x1b[K", "").Replace(small), "\n") {
		if line = strings.TrimRight(line, "\r"); len([]rune(line)) > 30 {
			t.Errorf("%q is wider than the window", line)
		}
	}
	u.press(t, "\x1a")
	u.see(t, "the shell's page after ctrl-Z", contains(firstPage))
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil || time.Now().After(end) {
			t.Fatalf("it does not stop: %s, %v", stat, err)
		}
		if strings.Contains(string(stat), ") T ") {
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	u.see(t, "the page again", contains(secondPage, "\x1b[H", "\x1b[J"))
	u.press(t, "\x03")
	if err := cmd.Wait(); err != nil {
		t.Errorf("ctrl-C is not a good end: %v", err)
	}
	last := u.see(t, "the last report on the first page", contains(firstPage, "cycling 1/3 to v1.35.0\r\n"))
	if _, after, _ := strings.Cut(last, firstPage); strings.Contains(after, "\x1b") {
		t.Errorf("after the end: %q", after)
	}
	after, err := unix.IoctlGetTermios(int(u.command.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is another: %+v, %+v, %v", before, after, err)
	}
}

// TestWatchAtAPoorTerminal: no colours for those who want none, and lines for those
// who have no cursor to move.
func TestWatchAtAPoorTerminal(t *testing.T) {
	kubeconfig := smallServer(t)
	for _, tt := range []struct {
		env       string
		want, not string
	}{
		{"NO_COLOR=1", secondPage, "\x1b[1m"},
		{"TERM=dumb", "--- 20", "\x1b"},
	} {
		u := openTube(t, 80, 24)
		cmd := u.start(t, []string{tt.env}, "status", "--watch", "--every", "1h", "--kubeconfig", kubeconfig)
		text := u.see(t, "the report", contains("cycling 1/3 to v1.35.0"))
		if !strings.Contains(text, tt.want) || strings.Contains(text, tt.not) {
			t.Errorf("%s: %q", tt.env, text)
		}
		u.press(t, "\x03")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", tt.env, err)
		}
	}
}
