package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestBadUsageIsTwo(t *testing.T) {
	for _, args := range [][]string{{"-run", "("}, {"-run", "nosuchworkload"}, {"-fast"}, {"playground/start"}} {
		var out, talk strings.Builder
		if code := run(context.Background(), args, &out, &talk); code != 2 {
			t.Errorf("%v: exit code %d, want 2", args, code)
		}
		if out.Len() > 0 || talk.Len() == 0 {
			t.Errorf("%v: stdout %q, stderr %q: want talk on stderr only", args, out.String(), talk.String())
		}
	}
}

func TestAFigureIsFourFields(t *testing.T) {
	var out strings.Builder
	b := &bench{stdout: &out}
	b.figure("playground/scale", "pending_to_resize", "0.42", "s")
	if got, want := out.String(), "playground/scale\tpending_to_resize\t0.42\ts\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWorkloadsAreChosenByName(t *testing.T) {
	if n := len(choose(regexp.MustCompile(""))); n != len(workloads()) {
		t.Errorf("the empty pattern chooses %d of %d workloads", n, len(workloads()))
	}
	chosen := choose(regexp.MustCompile("scale$"))
	if len(chosen) != 1 || chosen[0].name != "playground/scale" {
		t.Errorf("chose %v", chosen)
	}
	seen := map[string]bool{}
	for _, w := range workloads() {
		if seen[w.name] || w.about == "" || strings.ContainsAny(w.name, "\t ") {
			t.Errorf("workload %q: named twice, not explained, or unfit for a line of figures", w.name)
		}
		seen[w.name] = true
	}
}

// What the documents say to run chooses something.
func TestCallsInDocsChooseWorkloads(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("go run \\./bench -run '?([^'` ,]+)").FindAllStringSubmatch(string(text), -1) {
			if m[1] == "REGEXP" {
				continue
			}
			calls++
			if pattern, err := regexp.Compile(m[1]); err != nil || len(choose(pattern)) == 0 {
				t.Errorf("%s: %s chooses nothing (%v)", file, m[1], err)
			}
		}
	}
	if calls < 4 {
		t.Errorf("%d calls: the test proves little", calls)
	}
}
