package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tidemill/tidemill/internal/plain"
)

// progress shows how far something is: at a terminal a few lines that change in
// place, elsewhere a line whenever there is something new to say.
//
//	workers: 7 of 20 replaced, 20 of 20 ready, 2 draining, about 40m0s left
//	  10.0.0.7: DrainBlocked: shop/db-0: PDBZero: PodDisruptionBudget shop/db allows 0 …
type progress struct {
	w        io.Writer
	terminal bool
	width    func() int // columns; 0 for as many as there are
	last     string
	lines    int // on the screen
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, terminal: isTerminal(w), width: func() int {
		f, ok := w.(*os.File)
		if !ok {
			return 0
		}
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80
		}
		return width
	}}
}

func (p *progress) show(text string) { p.tell(text, "", nil) }

// tell shows a text, with how long it may take, and what is being waited for. The
// time alone is nothing new: a log would have a line for each second.
func (p *progress) tell(text, left string, waits []string) {
	if p.terminal {
		p.paint(append([]string{text + left}, waits...))
		return
	}
	if news := strings.Join(append([]string{text}, waits...), "; "); news != p.last {
		p.last = news
		fmt.Fprintln(p.w, plain.Line(strings.Join(append([]string{text + left}, waits...), "; ")))
	}
}

// paint puts these lines where the last ones are. None may be wider than the
// screen: what wraps is not found again.
func (p *progress) paint(lines []string) {
	for i, l := range lines {
		if i > 0 {
			l = "  " + l
		}
		lines[i] = plain.Line(l)
		if p.width != nil {
			lines[i] = clip(lines[i], p.width())
		}
	}
	text := strings.Join(lines, "\n")
	if text == p.last {
		return
	}
	back := "\r\x1b[K"
	if p.lines > 1 {
		back = fmt.Sprintf("\x1b[%dA\r\x1b[J", p.lines-1)
	}
	p.last, p.lines = text, len(lines)
	fmt.Fprint(p.w, back+text)
}

// done leaves the last lines standing.
func (p *progress) done() {
	if p.terminal && p.last != "" {
		fmt.Fprintln(p.w)
		p.last, p.lines = "", 0
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
