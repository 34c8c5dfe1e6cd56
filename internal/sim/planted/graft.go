package planted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Switch is the environment variable that wakes a bug, by name.
const Switch = "TIDEMILL_PLANTED"

// graft is one file of the module with bugs in it that sleep.
type graft struct {
	file   string
	source string
	// inserts are texts by offset; tail goes to the end of the file.
	inserts map[int]string
	tail    bytes.Buffer
	dormant int
}

// Overlay writes copies of the files that bugs touch into dir, with every bug in
// them and none awake, and beside them the file that the go command's -overlay
// wants. It returns that one's name, and the import paths below root that change.
func Overlay(root, dir string, bugs []Bug) (overlay string, packages []string, err error) {
	grafts, errs := map[string]*graft{}, []error(nil)
	for _, b := range bugs {
		for _, file := range b.files() {
			g := grafts[file]
			if g == nil {
				source, err := os.ReadFile(filepath.Join(root, file))
				if err != nil {
					return "", nil, err
				}
				g = &graft{file: file, source: string(source), inserts: map[int]string{}}
				grafts[file] = g
			}
			if err := g.plant(b, file); err != nil {
				errs = append(errs, fmt.Errorf("plant %s: %w", b.Name, err))
			}
		}
	}
	if len(errs) > 0 {
		return "", nil, errors.Join(errs...)
	}
	replace := map[string]string{}
	put := func(file, text string) error {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(root, file)] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for _, g := range grafts {
		if err := put(g.file, g.text()); err != nil {
			return "", nil, err
		}
		if p := path.Dir(g.file); !slices.Contains(packages, "./"+p) {
			packages = append(packages, "./"+p)
			text := fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar planted = os.Getenv(%q)\n", packageName(g.source), Switch)
			if err := put(p+"/planted_switch.go", text); err != nil {
				return "", nil, err
			}
		}
	}
	slices.Sort(packages)
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, packages, os.WriteFile(overlay, text, 0o600)
}

func packageName(source string) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return f.Name.Name
}

// plant adds the changed twins of the functions of a file that the bug changes. All
// its edits are made before, so that two in one function make one twin: of two twins
// only one could be handed over to, and the bug would be half of itself.
func (g *graft) plant(b Bug, file string) error {
	sick, err := b.apply(file, g.source)
	if err != nil {
		return err
	}
	now, err := functions(g.source)
	if err != nil {
		return err
	}
	then, err := functions(sick)
	if err != nil {
		return fmt.Errorf("with the bug it does not parse: %w", err)
	}
	changed := false
	for key, f := range now {
		t, ok := then[key]
		if !ok {
			return fmt.Errorf("function %s is gone or has another signature", key)
		}
		if t.text() == f.text() {
			continue
		}
		changed = true
		g.dormant++
		twin := fmt.Sprintf("%s_%d", f.Name.Name, g.dormant)
		name := t.offset(t.Name.Pos()) - t.from
		fmt.Fprintf(&g.tail, "\n// %s\n%s%s%s\n", b.Name, t.text()[:name], twin, t.text()[name+len(t.Name.Name):])
		g.divert(f, b.Name, twin)
	}
	if !changed || len(then) != len(now) {
		return fmt.Errorf("a bug is a change within functions of %s", file)
	}
	return nil
}

// divert has the function hand over to its twin when the bug is awake.
func (g *graft) divert(f function, bug, twin string) {
	call := twin
	if f.Recv != nil {
		call = g.names(f, f.Recv)[0] + "." + twin
	}
	call += typeArgs(f.Type.TypeParams) + "(" + strings.Join(g.names(f, f.Type.Params), ", ") + ")"
	if f.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	g.inserts[f.offset(f.Body.Lbrace)+1] += fmt.Sprintf(" if planted == %q { %s };", bug, call)
}

// names are those of parameters, which get one if they have none.
func (g *graft) names(f function, fields *ast.FieldList) []string {
	var out []string
	for i, p := range fields.List {
		dots := ""
		if _, variadic := p.Type.(*ast.Ellipsis); variadic {
			dots = "..."
		}
		if len(p.Names) == 0 {
			name := fmt.Sprintf("given%d", i)
			g.inserts[f.offset(p.Type.Pos())] = name + " "
			out = append(out, name+dots)
		}
		for j, n := range p.Names {
			name := n.Name
			if name == "_" { // "_" becomes "_given", and so on
				g.inserts[f.offset(n.End())] = fmt.Sprintf("given%d%d", i, j)
				name = fmt.Sprintf("_given%d%d", i, j)
			}
			out = append(out, name+dots)
		}
	}
	return out
}

func typeArgs(fields *ast.FieldList) string {
	if fields == nil {
		return ""
	}
	var names []string
	for _, p := range fields.List {
		for _, n := range p.Names {
			names = append(names, n.Name)
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// text is the file with everything put in.
func (g *graft) text() string {
	var out strings.Builder
	at := 0
	offsets := make([]int, 0, len(g.inserts))
	for o := range g.inserts {
		offsets = append(offsets, o)
	}
	slices.Sort(offsets)
	for _, o := range offsets {
		out.WriteString(g.source[at:o])
		out.WriteString(g.inserts[o])
		at = o
	}
	return out.String() + g.source[at:] + g.tail.String()
}

// function is a declaration and where it stands.
type function struct {
	*ast.FuncDecl
	set      *token.FileSet
	source   string
	from, to int
}

func (f function) text() string             { return f.source[f.from:f.to] }
func (f function) offset(pos token.Pos) int { return f.set.Position(pos).Offset }

// functions are those of a file, by receiver, name and signature.
func functions(source string) (map[string]function, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	out := map[string]function{}
	for _, d := range file.Decls {
		decl, ok := d.(*ast.FuncDecl)
		if !ok || decl.Body == nil {
			continue
		}
		f := function{FuncDecl: decl, set: set, source: source}
		f.from, f.to = f.offset(decl.Pos()), f.offset(decl.End())
		if decl.Doc != nil {
			f.from = f.offset(decl.Type.Func)
		}
		out[source[f.from:f.offset(decl.Body.Lbrace)]] = f
	}
	return out, nil
}
