package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A promise that is broken when three steps come together, in this order: all else
// must go.
func TestShrink(t *testing.T) {
	tape := make([]uint32, 60*frame)
	for i := range tape {
		tape[i] = uint32(i%7 + 1)
	}
	for n, step := range []int{5, 33, 41} {
		tape[step*frame+3] = uint32(100 + n)
	}
	calls := 0
	got := Shrink(tape, "p", 2000, func(tape []uint32) *Violation {
		calls++
		want := uint32(100)
		for at := 3; at < len(tape); at += frame {
			if tape[at] == want {
				want++
			}
		}
		if want == 103 {
			return &Violation{Promise: "p"}
		}
		return &Violation{Promise: "another"}
	})
	if steps := (len(got) + frame - 1) / frame; steps != 4 {
		t.Errorf("%d steps are left after %d runs, the world and three would do: %v", steps, calls, words(got))
	}
}

func TestShrinkKeepsWithinItsRuns(t *testing.T) {
	calls := 0
	Shrink(make([]uint32, 0), "p", 0, func([]uint32) *Violation { calls++; return nil })
	Shrink([]uint32{1, 2, 3, 4, 5, 6, 7, 8, 9}, "p", 5, func([]uint32) *Violation { calls++; return &Violation{Promise: "p"} })
	if calls > 5 {
		t.Errorf("%d runs, 5 were allowed", calls)
	}
}

// What is written is read again.
func TestCaseText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Case{Seed: rapid.Uint64().Draw(t, "seed"), Promise: rapid.SampledFrom(Promises).Draw(t, "promise"), Open: rapid.Bool().Draw(t, "open"),
			Note: "one\ntwo\n", Tape: rapid.SliceOf(rapid.Uint32Range(0, 3)).Draw(t, "tape")}
		got, err := ReadCase(c.String())
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Tape) == 0 {
			c.Tape = nil
		}
		if d := cmp.Diff(c, got); d != "" {
			t.Error(d)
		}
	})
}

func play(t *testing.T, c Case, trace func(string)) Result {
	o := options(c.Seed)
	o.Tape, o.Trace = Replay(c.Tape), trace
	return Run(t, o)
}

// TestCases plays the histories that once broke a promise.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tape")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".tape"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			c, err := ReadCase(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(Promises, c.Promise) {
				t.Fatalf("there is no promise %q", c.Promise)
			}
			r := play(t, c, nil)
			switch {
			case r.Violation != nil && !c.Open:
				t.Error(r.Violation)
			case r.Violation != nil:
				t.Logf("known and open: %s", r.Violation)
			case c.Open:
				t.Logf("%q is kept now: set state: closed", c.Promise)
			}
		})
	}
}

// TestTape plays the case of -tape and, with -shrink, looks for a shorter one; the
// story is printed, and the case for testdata. Without a tape it takes -seed.
func TestTape(t *testing.T) {
	c := Case{Seed: max(*seed, 1), Open: true}
	if *tapeFile != "" {
		text, err := os.ReadFile(*tapeFile)
		if err == nil {
			c, err = ReadCase(string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	} else {
		o := options(c.Seed)
		if *shrinkRuns == 0 {
			o.Faults, o.Gentle = time.Minute, true // only that the machinery works
		}
		r := Run(t, o)
		c.Tape = r.Tape
		if r.Violation != nil {
			c.Promise, c.Note = r.Violation.Promise, r.Violation.String()
		}
	}
	if *shrinkRuns > 0 && c.Promise != "" {
		c.Tape = Shrink(c.Tape, c.Promise, *shrinkRuns, func(tape []uint32) *Violation { return play(t, Case{Seed: c.Seed, Tape: tape}, nil).Violation })
	}
	if *tapeFile == "" && *shrinkRuns == 0 {
		return
	}
	r := play(t, c, func(s string) {
		if Telling(s) {
			fmt.Println(s)
		}
	})
	fmt.Printf("%s\n%s\n%s", r, r.Picture, c)
	if r.Violation != nil {
		t.Error(r.Violation)
	}
}
