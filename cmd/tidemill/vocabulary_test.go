package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// word is a constant string of the code, and what its comment says.
type word struct{ name, value, kind, text string }

// vocabularyOf are the string constants of a package's files.
func vocabularyOf(t *testing.T, dir string) []word {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", dir, err)
	}
	var out []word
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				out = append(out, wordsIn(g)...)
			}
		}
	}
	return out
}

func wordsIn(g *ast.GenDecl) []word {
	var out []word
	for _, s := range g.Specs {
		v := s.(*ast.ValueSpec)
		kind := ""
		if id, ok := v.Type.(*ast.Ident); ok {
			kind = id.Name
		}
		for i, name := range v.Names {
			if i >= len(v.Values) {
				continue
			}
			lit, ok := v.Values[i].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			value, _ := strconv.Unquote(lit.Value)
			text := strings.Join(strings.Fields(v.Doc.Text()+" "+v.Comment.Text()), " ")
			out = append(out, word{name.Name, value, kind, text})
		}
	}
	return out
}

// eventsOf are the reasons of events: what is handed to a recorder as one, read off
// the constants and the literals of events.go.
func eventsOf(t *testing.T, dir string) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, w := range vocabularyOf(t, dir) {
		if strings.HasPrefix(strings.ToLower(w.name), "event") && !strings.Contains(w.value, " ") {
			seen[w.value] = true
		}
	}
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit: // the table of cycle: {"CycleStarted", false}
				if len(n.Elts) == 2 && filepath.Base(path) == "events.go" {
					note(seen, n.Elts[0])
				}
			case *ast.CallExpr:
				if tells(n) {
					for _, a := range n.Args {
						note(seen, a)
					}
				}
			}
			return true
		})
	}
	var out []string
	for e := range seen {
		out = append(out, e)
	}
	sort.Strings(out)
	return out
}

// note takes a literal in CamelCase of two words or more: that is what a reason
// looks like.
func note(seen map[string]bool, e ast.Expr) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	value, _ := strconv.Unquote(lit.Value)
	upper := 0
	for _, r := range value {
		if r >= 'A' && r <= 'Z' {
			upper++
		} else if r < 'a' || r > 'z' {
			return
		}
	}
	if upper >= 2 {
		seen[value] = true
	}
}

// tells is whether the call makes an event.
func tells(c *ast.CallExpr) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Eventf" || s.Sel.Name == "emit" || s.Sel.Name == "tell" || s.Sel.Name == "event")
}

const vocabularyIntro = `# The words

<!-- Generated from the code: make generate. -->

What tidemill writes on objects, reads off them, and says. Meanings are the comments of the code.
`

// TestVocabularyIsDocumented: annotations, conditions, events and reasons.
func TestVocabularyIsDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString(vocabularyIntro)
	api := vocabularyOf(t, "api/v1alpha1")
	table := func(title, head string, pick func(word) bool, words []word) {
		fmt.Fprintf(&b, "\n## %s\n\n| %s | meaning |\n|---|---|\n", title, head)
		rows := 0
		for _, w := range words {
			if pick(w) {
				fmt.Fprintf(&b, "| `%s` | %s |\n", w.value, strings.ReplaceAll(w.text, "|", `\|`))
				rows++
			}
		}
		if rows == 0 {
			t.Errorf("there are no %s", title)
		}
	}
	prefixed := func(p string) func(word) bool { return func(w word) bool { return strings.HasPrefix(w.name, p) } }
	table("Annotations", "annotation", prefixed("Annotation"), api)
	table("Taints", "taint", prefixed("Taint"), api)
	table("Conditions of a Node", "condition", prefixed("NodeCondition"), api)
	table("Conditions of a Pool", "condition", prefixed("Condition"), api)
	table("Field owners", "owner", prefixed("Owner"), api)
	for _, verb := range []string{"scale", "cycle", "cycle/drain", "doctor", "internal/world"} {
		table("Reasons of "+verb, "reason", func(w word) bool { return strings.HasSuffix(w.kind, "Reason") }, vocabularyOf(t, verb))
	}
	b.WriteString("\n## Events\n\n| of | reasons |\n|---|---|\n")
	for _, room := range []string{"internal/world/mirror", "scale", "cycle", "doctor"} {
		if events := eventsOf(t, room); len(events) > 0 {
			fmt.Fprintf(&b, "| %s | `%s` |\n", room, strings.Join(events, "`, `"))
		}
	}
	document(t, "../../docs/reference/words.md", b.String())
}

const fieldsIntro = `# The fields of a Pool

<!-- Generated from the CRD: make generate. -->

` + "`kubectl explain pool.spec --recursive`" + ` says the same in a cluster. What is required is bold.

| field | type | meaning |
|---|---|---|
`

// TestFieldsAreDocumented: every field of the CRD.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../manifests/base/crd/tidemill.dev_pools.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema crdSchema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(fieldsIntro)
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, part := range []string{"spec", "status"} {
		root.Properties[part].fields(&b, part)
	}
	document(t, "../../docs/reference/pool.md", b.String())
}

// crdSchema is what is needed of the CRD's.
type crdSchema struct {
	Type, Description string
	Default           any
	Enum              []string
	Required          []string
	Properties        map[string]crdSchema
	Items             *crdSchema
}

func (s crdSchema) fields(b *strings.Builder, path string) {
	var names []string
	for n := range s.Properties {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		p := s.Properties[n]
		name := "`" + path + "." + n + "`"
		for _, r := range s.Required {
			if r == n {
				name = "**" + name + "**"
			}
		}
		kind := p.Type
		if len(p.Enum) > 0 {
			kind = strings.Join(p.Enum, ", ")
		}
		if p.Default != nil {
			kind += fmt.Sprintf("; default %v", p.Default)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, kind, strings.ReplaceAll(strings.Join(strings.Fields(p.Description), " "), "|", `\|`))
		p.fields(b, path+"."+n)
		if p.Items != nil {
			p.Items.fields(b, path+"."+n+"[]")
		}
	}
}
