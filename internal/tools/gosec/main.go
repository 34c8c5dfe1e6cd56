// Command gosec runs the rules of github.com/securego/gosec over the product's
// packages and fails on every finding that nobody has explained.
//
//	go build -C internal/tools/gosec -o ../../../bin/gosec . && bin/gosec .
//
// It is the library with a door of our own, because gosec's own command brings
// clients of three language models along. The house rule is stricter than that
// command's: a finding is waived only with a reason, in the list of waivers.go or
// by a comment, "#nosec G304 -- the file is the user's own argument"; a waiver
// without a reason, or for what is not found any more, is a finding itself. It is a module of its own so that its dependencies
// are nobody else's.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"

	"github.com/securego/gosec/v2"
	"github.com/securego/gosec/v2/analyzers"
	"github.com/securego/gosec/v2/issue"
	"github.com/securego/gosec/v2/rules"
)

// notOurs are directories that are not shipped: the playground and what tests
// and measures, tools, and code that a generator has written.
var notOurs = []string{`\.git`, `bin`, `testdata`, `internal/tools`, `internal/playground`, `internal/okesim`, `internal/e2e`, `internal/house`,
	`internal/sim`, `internal/world/worldtest`, `cmd/playground`, `bench`, `manifests/charttest`, `manifests/alerttest`, `cloudprovider/externalgrpc/wire`,
	`cloudprovider/fake`, `cloudprovider/providertest`}

// tooLoud are rules that find nothing here but noise, each with the reason.
var tooLoud = map[string]string{
	"G104": "errors that are not looked at: vet and staticcheck judge them with more sense, and fmt.Fprint to a terminal has none worth handling",
	"G115": "conversions between integer types: sizes of pools and counts of nodes, bounded by the API's own int32",
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	bad, err := run(root, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gosec:", err)
		os.Exit(2)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

// run prints what is unexplained below root, and counts it.
func run(root string, w io.Writer) (int, error) {
	a := gosec.NewAnalyzer(gosec.NewConfig(), false, true, true, runtime.NumCPU(), log.New(io.Discard, "", 0))
	skip := func(id string) bool { return tooLoud[id] != "" }
	r, z := rules.Generate(true, skip), analyzers.Generate(true, skip)
	a.LoadRules(r.RulesInfo())
	a.LoadAnalyzers(z.AnalyzersInfo())
	dirs, err := gosec.PackagePaths(filepath.Clean(root)+"/...", excluded())
	if err != nil {
		return 0, fmt.Errorf("list packages: %w", err)
	}
	if len(dirs) == 0 {
		return 0, fmt.Errorf("list packages: there are none below %s", root)
	}
	if err := a.Process(nil, dirs...); err != nil {
		return 0, fmt.Errorf("analyze: %w", err)
	}
	issues, metrics, errs := a.Report()
	for file, list := range errs {
		return 0, fmt.Errorf("analyze %s: %s", file, list[0].Err)
	}
	lines, waived := unexplained(issues)
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	fmt.Fprintf(w, "gosec: %d files, %d findings, %d waived with a reason\n", metrics.NumFiles, len(lines), waived)
	return len(lines), nil
}

// excluded are the patterns of notOurs, anywhere below the root.
func excluded() []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, dir := range notOurs {
		out = append(out, regexp.MustCompile(`(^|/)`+dir+`(/|$)`))
	}
	return out
}

// unexplained are the findings that nobody has waived, the waivers without a
// reason, and those of waivers that waive nothing.
func unexplained(issues []*issue.Issue) (lines []string, waived int) {
	used := make([]bool, len(waivers))
	for _, i := range issues {
		if tooLoud[i.RuleID] != "" {
			continue
		}
		text := fmt.Sprintf("%s:%s: %s: %s", i.File, i.Line, i.RuleID, i.What)
		at := find(i.RuleID, i.File)
		switch {
		case at >= 0:
			used[at] = true
			waived++
		case len(i.Suppressions) == 0:
			lines = append(lines, text)
		case reason(i) == "":
			lines = append(lines, text+" (#nosec without a reason: write #nosec "+i.RuleID+" -- why)")
		default:
			waived++
		}
	}
	for i, w := range waivers {
		if !used[i] {
			lines = append(lines, w.file+": "+w.rule+": waived in internal/tools/gosec and not found any more: take the waiver away")
		}
	}
	sort.Strings(lines)
	return lines, waived
}

// reason is why a finding is waived where it stands.
func reason(i *issue.Issue) string {
	for _, s := range i.Suppressions {
		if s.Kind == "inSource" && strings.TrimSpace(s.Justification) != "" {
			return s.Justification
		}
	}
	return ""
}
