package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// screen is the terminal's second page, so that what stood on the first is there
// again afterwards, with the last report below it.
type screen struct {
	w     io.Writer
	size  func() (width, height int)
	paint paint
	text  func(page) (string, error) // what stays behind

	mu     sync.Mutex // the terminal's signals come when they come
	last   *page
	aside  bool // lent to the shell, by ctrl-Z
	closed bool
}

func (g *globals) openScreen(f *os.File) *screen {
	s := &screen{w: f, paint: paintFor(f), text: g.text, size: func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil || w <= 0 || h <= 0 {
			return 80, 24
		}
		return w, h
	}}
	fmt.Fprint(s.w, secondPage)
	return s
}

const (
	secondPage = "\x1b[?1049h\x1b[?25l" // and no cursor
	firstPage  = "\x1b[?25h\x1b[?1049l"
)

func (s *screen) show(p page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &p
	return s.draw()
}

// draw paints the page from its first line on: nothing is erased before it is
// painted anew, so that it does not flicker.
func (s *screen) draw() error {
	if s.last == nil || s.aside || s.closed {
		return nil
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, l := range s.last.lines(s.size()) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(s.paint.in(l.colour, l.text) + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.w, b.String())
	return err
}

// close gives the terminal back, with the last report on it.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.w, firstPage)
	s.closed = true
	if s.last == nil {
		return
	}
	if text, err := s.text(*s.last); err == nil {
		fmt.Fprint(s.w, text)
	}
}

// follow paints anew when the window has another size, and lends the terminal to
// the shell while ctrl-Z has the command stopped. What is returned ends it.
func (s *screen) follow() (stop func()) {
	signals, done := make(chan os.Signal, 8), make(chan struct{})
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)
	go func() {
		for {
			select {
			case <-done:
				return
			case got := <-signals:
				s.on(got)
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

func (s *screen) on(got os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case got == syscall.SIGTSTP:
		fmt.Fprint(s.w, firstPage)
		s.aside = true
		// It may take a moment until all threads stand still; nothing is painted in it.
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case got == syscall.SIGCONT && s.aside:
		s.aside = false
		fmt.Fprint(s.w, secondPage)
		fallthrough
	default:
		_ = s.draw() // a terminal that is gone ends the command elsewhere
	}
}
