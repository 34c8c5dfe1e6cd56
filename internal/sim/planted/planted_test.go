package planted

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// promises are the simulation's names for them, read from its source so that this
// test does not compile the whole daemon.
func promises(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../promises.go")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestShelf(t *testing.T) {
	bugs, err := Bugs()
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 50 {
		t.Errorf("%d bugs; a harness is called sharp from 50 on", len(bugs))
	}
	known, titles, like := promises(t), map[string]string{}, map[string]bool{}
	for _, b := range bugs {
		if other := titles[b.Title]; other != "" {
			t.Errorf("%s and %s have one title", b.Name, other)
		}
		titles[b.Title] = b.Name
		for _, p := range b.Promises {
			if !strings.Contains(known, `= "`+p+`"`) {
				t.Errorf("%s: the simulation knows no promise %q", b.Name, p)
			}
		}
		like[b.Incident] = true
		if b.Incident != "" && !slices.ContainsFunc(Incidents, func(i [2]string) bool { return i[0] == b.Incident }) {
			t.Errorf("%s: unknown incident %q", b.Name, b.Incident)
		}
	}
	for _, i := range Incidents {
		if !like[i[0]] {
			t.Errorf("no bug does as in %s: %s", i[0], i[1])
		}
	}
}

// A bug whose text is gone, or that does not compile, finds nothing and says
// nothing.
func TestEachAppliesAndCompiles(t *testing.T) {
	bugs, err := Bugs()
	if err != nil {
		t.Fatal(err)
	}
	at, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	overlay, packages, err := Overlay(at, t.TempDir(), bugs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"build", "-overlay", overlay}, packages...)...)
	cmd.Dir = at
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("compile with all bugs in it: %v\n%s", err, out)
	}
}

const clock = `package clock

// Tick is one.
func Tick(_ int, more ...string) (n int) {
	return 1
}

type hand struct{}

func (h *hand) move(by int) { h.hold(by) }
func (hand) hold(int)       {}
`

func TestGraft(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "clock.go"), []byte(clock), 0o600); err != nil {
		t.Fatal(err)
	}
	_, packages, err := Overlay(dir, dir, []Bug{
		{Name: "two", Edits: []Edit{{"clock.go", "return 1", "return 2"}}},
		{Name: "back", Edits: []Edit{{"clock.go", "h.hold(by)", "h.hold(-by)"}}},
		{Name: "both", Edits: []Edit{{"clock.go", "{ h.hold", "{ h.held"}, {"clock.go", "(by) }", "(2 * by) }"}}}, // one twin, with both
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"./."}, packages); diff != "" {
		t.Error(diff)
	}
	got, err := os.ReadFile(filepath.Join(dir, "clock.go"))
	if err != nil {
		t.Fatal(err)
	}
	want := `package clock

// Tick is one.
func Tick(_given00 int, more ...string) (n int) { if planted == "two" { return Tick_1(_given00, more...) };
	return 1
}

type hand struct{}

func (h *hand) move(by int) { if planted == "back" { h.move_2(by); return }; if planted == "both" { h.move_3(by); return }; h.hold(by) }
func (hand) hold(int)       {}

// two
func Tick_1(_ int, more ...string) (n int) {
	return 2
}

// back
func (h *hand) move_2(by int) { h.hold(-by) }

// both
func (h *hand) move_3(by int) { h.held(2 * by) }
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGraftRefuses(t *testing.T) {
	for name, e := range map[string]Edit{
		"what is not there":        {"clock.go", "return 3", "return 4"},
		"what is there twice":      {"clock.go", "hold(", "held("},
		"what is no function":      {"clock.go", "type hand struct{}", "type hand struct{ n int }"},
		"a change of a signature":  {"clock.go", "by int", "by uint"},
		"what does not parse":      {"clock.go", "return 1", "return )"},
		"what changes nothing":     {"clock.go", "return 1", "return 1"},
		"a function more":          {"clock.go", "func (hand) hold(int)       {}", "func (hand) hold(int)       {}\nfunc other() {}"},
		"a comment and not a deed": {"clock.go", "Tick is one.", "Tick is two."},
	} {
		g := &graft{file: "clock.go", source: clock, inserts: map[int]string{}}
		if err := g.plant(Bug{Name: "bug", Edits: []Edit{e}}, "clock.go"); err == nil {
			t.Errorf("%s was planted", name)
		}
	}
}

func TestParse(t *testing.T) {
	got, err := parse("b", []byte("title: a b: c\npromise: floor, clean end\nwish: d: e\n-- old f.go --\n\tx\n-- new --\n-- old g.go --\na\nb\n-- new --\nc\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Bug{Name: "b", Title: "a b: c", Promises: []string{"floor", "clean end"}, Wish: "d: e", Edits: []Edit{{"f.go", "\tx", ""}, {"g.go", "a\nb", "c"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, text := range map[string]string{
		"no title": "promise: p\n-- old f --\nx\n-- new --\n", "no promise": "title: t\n-- old f --\nx\n-- new --\n",
		"no new": "title: t\npromise: p\n-- old f --\nx\n", "no edit": "title: t\npromise: p\n",
		"an unknown key": "titel: t\ntitle: t\npromise: p\n-- old f --\nx\n-- new --\n",
		"another order":  "title: t\npromise: p\n-- new --\nx\n-- old f --\n",
	} {
		if b, err := parse("b", []byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, b)
		}
	}
}

func TestFindsAndTable(t *testing.T) {
	dir := t.TempDir()
	finds := map[string]Find{"a": {"a", "floor", 7, 7, 12 * time.Second}, "b": {"b", "", 0, 40, time.Minute}}
	file := filepath.Join(dir, "finds.txt")
	if err := WriteFinds(file, finds); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFinds(file)
	if diff := cmp.Diff(finds, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	document := filepath.Join(dir, "d.md")
	if err := os.WriteFile(document, []byte("above\n"+begin+"\nold\n"+end+"\nbelow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := Table([]Bug{{Name: "a", Title: "does a", Incident: "x#1"}, {Name: "b", Title: "does b", Wish: "Force, later"}, {Name: "c", Title: "does c"}}, finds)
	if err := PutTable(document, table); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(document)
	want := "above\n" + begin + `

3 bugs are planted; 1 were found, 1 were looked for and not found yet, 1 have not been looked for.

| bug | what it does | like | found by | seed | where all wish for | seconds |
|---|---|---|---|---|---|---|
| a | does a | x#1 | floor | 7 |  | 12 |
| b | does b |  | **not found** | in 40 | Force, later | 60 |
| c | does c |  | not looked for |  |  |  |

` + end + "\nbelow\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRead(t *testing.T) {
	seed, promise, ok := read("seed 12 hash 00000000000000ff steps 3 ops 2 writes 1 faults 0 [] crashes 0 lasted 1m VIOLATION clean end: node n: is marked")
	if seed != 12 || promise != "clean end" || !ok {
		t.Errorf("read as %d, %q, %v", seed, promise, ok)
	}
	if seed, promise, ok = read("seed 13 hash 0f steps 3"); seed != 13 || promise != "" || !ok {
		t.Errorf("read as %d, %q, %v", seed, promise, ok)
	}
	if _, _, ok = read("--- FAIL: TestSeeds"); ok {
		t.Error("anything is a history")
	}
}
