package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every promise of the design and every invariant is named, by something that
// exists.
func TestCatalogue(t *testing.T) {
	ids := map[string]bool{}
	for _, e := range Catalogue {
		if ids[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		ids[e.ID] = true
		if e.Promise == "" && e.Elsewhere == "" {
			t.Errorf("%s is checked nowhere", e.ID)
		}
		if e.Promise != "" && !slices.Contains(Promises, e.Promise) {
			t.Errorf("%s: there is no promise %q", e.ID, e.Promise)
		}
		if e.Elsewhere != "" && !testExists(t, e.Elsewhere) {
			t.Errorf("%s: there is no test %s", e.ID, e.Elsewhere)
		}
	}
	for prefix, n := range map[string]int{"P": 12, "I": 18} {
		for i := range n {
			if id := fmt.Sprintf("%s%d", prefix, i+1); !ids[id] {
				t.Errorf("%s is missing", id)
			}
		}
	}
}

func testExists(t *testing.T, name string) bool {
	at := strings.LastIndex(name, ".")
	files, err := filepath.Glob(filepath.Join("../..", name[:at], "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name[at+1:]+"(t *testing.T)") {
			return true
		}
	}
	return false
}
