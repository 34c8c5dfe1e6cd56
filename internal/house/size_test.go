package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// The largest a file and a function may be, in lines. Past these there is a
// pure part that wants out.
const (
	maxFile     = 400
	maxTestFile = 600
	maxFunc     = 60
)

func TestNothingOutgrowsItsSize(t *testing.T) {
	each(t, func(name string, set *token.FileSet, f *ast.File) {
		limit := maxFile
		if strings.HasSuffix(name, "_test.go") {
			limit = maxTestFile
		}
		if n := set.File(f.Pos()).LineCount(); n > limit {
			t.Errorf("%s has %d lines, %d at most", name, n, limit)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil || strings.HasSuffix(name, "_test.go") {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > maxFunc {
				t.Errorf("%s: %s has %d lines, %d at most", name, fn.Name.Name, n, maxFunc)
			}
		}
	})
}

func TestNoInitFunctions(t *testing.T) {
	each(t, func(name string, _ *token.FileSet, f *ast.File) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function: order and the enabled set must be readable in one place", name)
			}
		}
	})
}

// each parses every file of the module that is not generated.
func each(t *testing.T, visit func(name string, set *token.FileSet, f *ast.File)) {
	t.Helper()
	for _, p := range all(t) {
		for _, base := range append(append(append([]string(nil), p.GoFiles...), p.TestGoFiles...), p.XTestGoFiles...) {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, filepath.Join(p.Dir, base), nil, parser.ParseComments)
			if err != nil {
				t.Errorf("parse %s/%s: %v", p.room(), base, err)
				continue
			}
			if !ast.IsGenerated(f) {
				visit(p.room()+"/"+base, set, f)
			}
		}
	}
}
