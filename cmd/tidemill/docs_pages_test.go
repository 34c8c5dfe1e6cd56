package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider/oke"
)

// TestEveryPageIsInTheIndex: a page that the index does not name is found by
// nobody. Decisions have a directory's entry.
func TestEveryPageIsInTheIndex(t *testing.T) {
	all := pages(t)
	named := map[string]bool{"docs/README.md": true}
	for _, m := range link.FindAllStringSubmatch(all["docs/README.md"], -1) {
		path, _, _ := strings.Cut(m[1], "#")
		named[filepath.Join("docs", path)] = true
	}
	for page := range all {
		if strings.HasPrefix(page, "docs/") && !named[page] && !named[filepath.Dir(page)] {
			t.Errorf("docs/README.md does not name %s", page)
		}
	}
}

var (
	makeCall  = regexp.MustCompile("(?:^|[`$ ])make ([a-z]+)")
	kustomize = regexp.MustCompile(`kubectl (?:apply|delete) -k ([a-z0-9/-]+)`)
	goTest    = regexp.MustCompile(`go test (\./\S+)(?: .*)?-run '?(Test[A-Za-z]+)`)
	toBuild   = regexp.MustCompile(`helm (?:install|upgrade) \S+ (manifests/\S+)`)
)

// TestCallsInDocsWork: make's targets, kustomizations, charts and tests that a page
// calls are there.
func TestCallsInDocsWork(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for page, text := range pages(t) {
		for _, m := range makeCall.FindAllStringSubmatch(inCode(text), -1) {
			checked["make"]++
			if !strings.Contains("\n"+string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: make has no target %s", page, m[1])
			}
		}
		for _, m := range kustomize.FindAllStringSubmatch(text, -1) {
			checked["kubectl"]++
			if _, err := os.Stat(filepath.Join("../..", m[1], "kustomization.yaml")); err != nil {
				t.Errorf("%s: %s is no kustomization", page, m[1])
			}
		}
		for _, m := range toBuild.FindAllStringSubmatch(text, -1) {
			checked["helm"]++
			if _, err := os.Stat(filepath.Join("../..", m[1], "Chart.yaml")); err != nil {
				t.Errorf("%s: %s is no chart", page, m[1])
			}
		}
		for _, m := range goTest.FindAllStringSubmatch(text, -1) {
			checked["go"]++
			if !hasTest(t, m[1], m[2]) {
				t.Errorf("%s: %s has no test %s", page, m[1], m[2])
			}
		}
	}
	for kind, least := range map[string]int{"make": 5, "kubectl": 5, "helm": 1, "go": 2} {
		if checked[kind] < least {
			t.Errorf("%d calls of %s: the test proves little", checked[kind], kind)
		}
	}
}

// inCode is the text of fences and of words in backquotes: "make sure" is no call.
func inCode(text string) string {
	var b strings.Builder
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		b.WriteString(m[2])
	}
	for _, m := range quoted.FindAllString(fence.ReplaceAllString(text, ""), -1) {
		b.WriteString(m + "\n")
	}
	return b.String()
}

// hasTest is whether a package has a test with a name that begins so.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(f string) bool {
		text, err := os.ReadFile(f)
		return err == nil && strings.Contains(string(text), "\nfunc "+name)
	})
}

// TestMigrationNamesEveryVariable: what the page says of a variable of the OCI
// provider is so: set, it is the default of the flag beside it, or chooses who to be.
func TestMigrationNamesEveryVariable(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| (`[A-Z_`, ]+`) \\| read as well; `--([a-z-]+)(?: ([a-z_]+))?`")
	checked := 0
	for _, m := range row.FindAllStringSubmatch(pages(t)["docs/migrate-from-cluster-autoscaler.md"], -1) {
		for _, name := range strings.Split(strings.ReplaceAll(m[1], "`", ""), ", ") {
			checked++
			t.Run(name, func(t *testing.T) { variableIsRead(t, name, m[2], m[3]) })
		}
	}
	if checked < 7 {
		t.Errorf("%d variables: the test proves little", checked)
	}
}

func variableIsRead(t *testing.T, name, flag, value string) {
	for _, other := range os.Environ() { // a workstation has some of its own
		if key, _, _ := strings.Cut(other, "="); strings.HasPrefix(key, "OCI_") || strings.HasPrefix(key, "TIDEMILL_") {
			t.Setenv(key, "")
		}
	}
	if flag == "oci-auth" {
		t.Setenv(name, "true")
		if who, _ := oke.ChooseAuth(os.Getenv); who.String() != value {
			t.Errorf("with %s it is %s, want %s", name, who, value)
		}
		return
	}
	t.Setenv(name, "7s") // good as a name and as a duration
	run, _, err := newRoot("tidemill", io.Discard, io.Discard).Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	f := run.Flags().Lookup(flag)
	if f == nil {
		f = run.InheritedFlags().Lookup(flag)
	}
	if f == nil || f.DefValue != "7s" {
		t.Errorf("--%s is %+v, want the variable's value", flag, f)
	}
}
