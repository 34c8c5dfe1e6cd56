package planted

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed bugs/*.txt
var shelf embed.FS

// Bug is one fault that could be in the code and is not.
type Bug struct {
	// Name is that of its file, without the suffix.
	Name string
	// Title says in a few words what the daemon does wrong.
	Title string
	// Incident is where something like it happened to somebody, "" for nowhere
	// that is known.
	Incident string
	// Promises are those, by the simulation's names, any of which may find it.
	Promises []string
	// Wish is what all Pools wish for where it is looked for, as -wish takes it; "" for
	// what the tape draws.
	Wish  string
	Edits []Edit
}

// Edit replaces a text that stands in a file exactly once.
type Edit struct {
	File     string // from the root of the module
	Old, New string
}

// Incidents are what happened to autoscalers that people run, each of which has
// a bug that does the like: source, and what it was.
var Incidents = [][2]string{
	{"autoscaler#446", "the list of pods was not there yet, every node looked empty, and most were deleted"},
	{"autoscaler#3987", "a node was removed though its pods had nowhere to go"},
	{"autoscaler#5048", "a restart forgot the nodes that were cordoned: idle for ever"},
	{"autoscaler#4634", "parallel deletes worked with a size that was no more"},
	{"autoscaler#2821", "the machine was gone and its entry stayed, or the other way round"},
	{"autoscaler#4462", "a size from a cache shrank a pool"},
	{"karpenter#1928", "pods that a budget blocks were counted as to be placed: nodes without end"},
	{"karpenter#3072", "a bad image was launched again and again"},
	{"karpenter-aws#3979", "old nodes were deleted though new ones never joined"},
	{"karpenter#1776", "a drain that a budget blocks never came to its end"},
	{"karpenter#873", "new nodes counted as outdated as soon as they came"},
	{"mcm#1035", "a delete while the machine was being made left it orphaned"},
	{"cluster-api#13649", "what was just written was not in the cache, and was made again"},
	{"kubernetes#129795", "an expectation ran out, and more was made than was asked for"},
}

// Bugs reads all of them, in order of their names.
func Bugs() ([]Bug, error) {
	names, err := fs.Glob(shelf, "bugs/*.txt")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Bug
	for _, name := range names {
		text, err := fs.ReadFile(shelf, name)
		if err != nil {
			return nil, err
		}
		b, err := parse(strings.TrimSuffix(path.Base(name), ".txt"), text)
		if err != nil {
			return nil, fmt.Errorf("read bug %s: %w", name, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// parse reads "key: value" lines and then pairs of sections "old FILE" and "new".
func parse(name string, text []byte) (Bug, error) {
	a := txtar.Parse(text)
	b := Bug{Name: name}
	for line := range strings.Lines(string(a.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "title":
			b.Title = value
		case "incident":
			b.Incident = value
		case "wish":
			b.Wish = value
		case "promise":
			b.Promises = strings.Split(value, ", ")
		case "":
		default:
			return b, fmt.Errorf("unknown key %q", key)
		}
	}
	for i := 0; i+1 < len(a.Files); i += 2 {
		file, ok := strings.CutPrefix(a.Files[i].Name, "old ")
		if !ok || a.Files[i+1].Name != "new" {
			return b, fmt.Errorf("sections %q and %q are not old and new", a.Files[i].Name, a.Files[i+1].Name)
		}
		b.Edits = append(b.Edits, Edit{file, section(a.Files[i].Data), section(a.Files[i+1].Data)})
	}
	if b.Title == "" || len(b.Promises) == 0 || len(b.Edits) == 0 || len(a.Files)%2 != 0 {
		return b, fmt.Errorf("it needs title, promise, and pairs of old and new")
	}
	return b, nil
}

func section(data []byte) string { return strings.TrimSuffix(string(data), "\n") }

// apply is the source with the bug in it.
func (e Edit) apply(source string) (string, error) {
	if n := strings.Count(source, e.Old); n != 1 || e.Old == "" {
		return "", fmt.Errorf("the old text is %d times in %s, not once", n, e.File)
	}
	return strings.Replace(source, e.Old, e.New, 1), nil
}

// files are those that the bug changes, in the order of its edits.
func (b Bug) files() []string {
	var out []string
	for _, e := range b.Edits {
		if !slices.Contains(out, e.File) {
			out = append(out, e.File)
		}
	}
	return out
}

// apply makes all edits of one file.
func (b Bug) apply(file, source string) (string, error) {
	for _, e := range b.Edits {
		if e.File != file {
			continue
		}
		var err error
		if source, err = e.apply(source); err != nil {
			return "", err
		}
	}
	return source, nil
}
