package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestFiguresOfATestArePrinted(t *testing.T) {
	var out strings.Builder
	b := &bench{stdout: &out}
	n := b.figures("cycle/2000", bytes.NewBufferString("=== RUN\n    figure virtual_hours 4.10 h\n    figure of speech\nok\n"))
	if want := "cycle/2000\tvirtual_hours\t4.10\th\n"; n != 1 || out.String() != want {
		t.Errorf("%d figures: %q, want %q", n, out.String(), want)
	}
}
