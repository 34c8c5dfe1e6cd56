package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tidemill/tidemill/internal/plain"
)

// This file is the command's manners. The rules are:
//
//   - Data goes to stdout, talk to stderr: progress, warnings, errors, logs.
//   - An error is one sentence, "tidemill: error: " before it, in lower case
//     and without a full stop; below it, what to do, "tidemill: hint: ".
//   - Whatever comes from a cluster or a cloud is shown printable, see
//     internal/plain: nobody's node name moves the cursor. All of standard output
//     passes it, and each line that goes to stderr.
//   - Colours are for terminals, and for those who have not said NO_COLOR.
//   - One line that changes is for terminals; elsewhere lines follow each other.
//   - The exit code says what kind of no it was, see below.

// Exit codes, documented in the help of the root command.
const (
	exitOK = 0
	// exitNo: the command looked, and the answer is no: a cycle was refused, a
	// node is not well.
	exitNo = 1
	// exitUsage: the command line makes no sense; nothing was looked at.
	exitUsage = 2
	// exitBlind: the cluster or the cloud could not be looked at.
	exitBlind = 3
)

// failure is an error with an exit code and advice for the person who reads it.
type failure struct {
	code  int
	err   error // nil: all has been said
	hints []string
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit %d", f.code)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// usage is a mistake on the command line.
func usage(err error, hints ...string) error { return &failure{exitUsage, err, hints} }

// blind is a cluster or cloud that could not be looked at.
func blind(err error, hints ...string) error { return &failure{exitBlind, err, hints} }

// no ends the command with exitNo after everything has been said.
func no() error { return &failure{code: exitNo} }

// report prints err as the rules say and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = classify(err)
	}
	if f.err != nil && !errors.Is(f.err, context.Canceled) {
		// The text of the outer error: whoever wrapped a failure said more.
		sentence, hints := sentenceOf(err)
		p := paintFor(w)
		fmt.Fprintf(w, "tidemill: %s %s\n", p.in(red, "error:"), sentence)
		for _, h := range append(hints, f.hints...) {
			fmt.Fprintf(w, "tidemill: %s %s\n", p.in(cyan, "hint:"), plain.Line(h))
		}
	}
	return f.code
}

// sentenceOf splits an error's text into its sentence and the hints that came
// with it: errors of the inner packages carry theirs on lines of their own.
func sentenceOf(err error) (sentence string, hints []string) {
	var said []string
	for _, line := range strings.Split(err.Error(), "\n") {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "hint: "); ok {
			hints = append(hints, h)
		} else if line != "" {
			said = append(said, line)
		}
	}
	return plain.Line(strings.Join(said, "; ")), hints
}

// table writes rows in columns; cells are made printable.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = plain.Line(cells[i])
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() error { return t.w.Flush() }
