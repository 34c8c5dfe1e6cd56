package main

import (
	"io"
	"os"
)

// paint is how words are coloured: not at all, unless they go to a terminal that
// has colours and nobody asked for none (https://no-color.org).
type paint bool

func paintFor(w io.Writer) paint {
	return paint(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// The colours that are used; bold stands out on every background.
const (
	bold   = "1"
	red    = "31"
	yellow = "33"
	cyan   = "36"
)

func (p paint) in(colour, text string) string {
	if !p || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// clip keeps a line from running into the next.
func clip(line string, width int) string {
	if r := []rune(line); width > 0 && len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return line
}
