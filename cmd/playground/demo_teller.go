package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/tidemill/tidemill/internal/e2e"
)

// A teller shows a story. At a terminal the step that plays has one line, which
// changes until a tick takes its place; elsewhere lines follow each other and
// nothing is ever taken back.
type teller struct {
	out   io.Writer
	live  bool // a terminal
	color bool
	width func() int

	mu      sync.Mutex // guards the fields below
	step    e2e.Step
	since   time.Time
	doing   string
	playing bool
	stop    chan struct{}
	done    sync.WaitGroup
}

func newTeller(out io.Writer) *teller {
	t := &teller{out: out, stop: make(chan struct{}), width: func() int { return 80 }}
	f, ok := out.(*os.File)
	if t.live = ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"; t.live {
		t.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
				return w
			}
			return 80
		}
		t.color = os.Getenv("NO_COLOR") == ""
		t.done.Go(t.animate)
	}
	return t
}

func (t *teller) close() {
	close(t.stop)
	t.done.Wait()
}

// animate redraws the live line, so that the time is seen to pass.
func (t *teller) animate() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.mu.Lock()
			t.draw()
			t.mu.Unlock()
		}
	}
}

var spinner = []string{"◐", "◓", "◑", "◒"}

func (t *teller) draw() {
	if !t.playing {
		return
	}
	took := time.Since(t.since)
	// The title has its own line when the step is over; what is going on has this one.
	line := fmt.Sprintf("%s %s  %.1f s  %s", spinner[int(took/(150*time.Millisecond))%len(spinner)], cut(heading(t.step), t.width()*2/5), took.Seconds(), t.doing)
	fmt.Fprintf(t.out, "\r\x1b[K%s", cut(line, t.width()-1))
}

func heading(s e2e.Step) string {
	if strings.TrimSpace(s.ID) == "" {
		return s.Title
	}
	return "(" + s.ID + ") " + s.Title
}

// cut shortens a line to so many characters: one that wraps could not be redrawn.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}

func (t *teller) begin(s e2e.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.step, t.since, t.doing, t.playing = s, time.Now(), "", true
	if !t.live {
		fmt.Fprintln(t.out, "… "+heading(s))
	}
}

func (t *teller) say(_ e2e.Step, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doing = text
}

func (t *teller) end(o e2e.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.playing = false
	if t.live {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
	sign, text := t.paint("✓", green), strings.Join(o.Checked, "; ")
	if o.Err != nil {
		sign, text = t.paint("✗", red), o.Err.Error()
	}
	fmt.Fprintf(t.out, "%s %s %s\n", sign, heading(o.Step), t.paint(fmt.Sprintf("%.1f s", o.Took.Seconds()), dim))
	for _, line := range wrap(text, t.width()-4) {
		fmt.Fprintln(t.out, "    "+t.paint(line, dim))
	}
}

// Escape codes of the few colours that are used.
const (
	green = "32"
	red   = "31"
	dim   = "2"
	bold  = "1"
)

func (t *teller) paint(text, code string) string {
	if !t.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrap breaks text at spaces into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				lines = append(lines, line)
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		lines = append(lines, line)
	}
	return lines
}

func (t *teller) println(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

func (t *teller) figures(lines []e2e.Line, took time.Duration) {
	t.println("")
	t.println("%s", t.paint("Figures", bold))
	for _, l := range append(lines, e2e.Line{Name: "the whole demo", Value: e2e.Seconds(took), Unit: "s"}) {
		t.println("  %-28s %10s %s", l.Name, l.Value, l.Unit)
	}
}

// invite tells what can be tried on the cluster that stays.
func (t *teller) invite(env *e2e.Env, tidemill string) {
	if own, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(own, tidemill); err == nil && !strings.HasPrefix(short, "..") {
			tidemill = short
		}
	}
	file := filepath.Join(env.Dir(), "env.sh")
	var text string
	for _, v := range env.UserEnv() {
		name, value, _ := strings.Cut(v, "=")
		text += "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		file = "" // then the variables have to be typed
	}
	t.println("\nThe cluster stays up. In another terminal:\n")
	if file != "" {
		t.println("  . %s\n", file)
	} else {
		t.println("%s", text)
	}
	for _, try := range []struct{ command, what string }{
		{tidemill + " status", "how the pools are, and why things wait"},
		{tidemill + " plan", "what would be done now, and why not"},
		{tidemill + " cycle workers --wait", "turn a pool over and watch it"},
		{tidemill + " doctor", "examine every node"},
		{"kubectl get pools,nodes", "the same in kubectl, if you have it"},
	} {
		t.println("  %-*s %s", len(tidemill)+23, try.command, t.paint(try.what, dim))
	}
	t.println("\nThe daemon's log is %s.\n%s ends it all and leaves nothing behind.", env.Daemon.Log(), t.paint("ctrl-C", bold))
}

// logs tells where to look after a failure, and the last that the daemon said.
func (t *teller) logs(dir string) {
	t.println("\nThe logs are in %s: tidemill.log (the daemon), watcher.log (every change that was seen), plan.log (what waits, and why), playground.log.", dir)
	for _, name := range []string{"watcher.log", "tidemill.log", "status.log"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
			t.println("\nThe end of %s:", name)
			for _, line := range lines[max(0, len(lines)-15):] {
				t.println("  %s", line)
			}
		}
	}
}
