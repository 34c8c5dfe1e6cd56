package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)\(`)
	named    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)`")
)

// declaredTests are the names of all tests in the tree, of other modules too.
func declaredTests(t *testing.T) map[string]bool {
	found := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What SECURITY.md and docs/limits.md say is tested is tested.
func TestSecurityIsTested(t *testing.T) {
	have := declaredTests(t)
	for _, page := range []string{"SECURITY.md", "docs/limits.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllSubmatch(text, -1)
		if len(names) == 0 {
			t.Errorf("%s names no test", page)
		}
		for _, m := range names {
			if !have[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// floating are versions that are another thing tomorrow.
var floating = regexp.MustCompile(`@(latest|main|master|upgrade)\b|curl |wget |\bgo install `)

// What CI and the build run is pinned: by go.sum, or by a version that is written
// down.
func TestTheBuildIsPinned(t *testing.T) {
	root := filepath.Join("..", "..")
	scripts, err := filepath.Glob(filepath.Join(root, ".ci", "*"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no script of CI: %v", err)
	}
	for _, path := range append(scripts, filepath.Join(root, "Makefile")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m := floating.Find(text); m != nil {
			t.Errorf("%s runs what is not pinned: %q", filepath.Base(path), m)
		}
	}
	for _, module := range []string{".", "internal/tools", "internal/tools/gosec", "manifests/charttest"} {
		if _, err := os.Stat(filepath.Join(root, module, "go.sum")); err != nil {
			t.Errorf("module %s: %v", module, err)
		}
	}
}
