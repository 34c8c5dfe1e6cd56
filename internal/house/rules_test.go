package house

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verbs may not see each other: they meet through the API server.
var verbs = []string{"scale", "cycle", "doctor"}

// quarantine says which rooms alone may import a heavy or dangerous module,
// directly. Tests may do so in the rooms of the second list too.
var quarantine = []struct {
	module       string
	rooms, tests []string
	why          string
}{
	{"github.com/oracle/oci-go-sdk", []string{"cloudprovider/oke"}, []string{"internal/okesim"}, "one package knows the SDK"},
	{"google.golang.org/grpc", []string{"cloudprovider/externalgrpc"}, nil, "one package speaks the plugin protocol"},
	{"k8s.io/kubernetes", []string{"scale/fit", "internal/playground"}, nil, "its cold build takes minutes"},
	{"go.etcd.io/etcd", []string{"internal/playground"}, nil, "only the playground stores anything"},
	{"sigs.k8s.io/kwok", []string{"internal/playground"}, nil, "only the playground has kubelet-less nodes"},
}

// light packages are built and tested in seconds: nothing heavy may reach them
// by any way.
var light = []string{"api", "cloudprovider", "cycle", "doctor", "internal/world", "internal/kube", "internal/okesim"}

func TestVerbsNeverImportEachOther(t *testing.T) {
	for _, p := range all(t) {
		for _, from := range verbs {
			if !under(p.room(), from) {
				continue
			}
			for _, dep := range p.Deps {
				to := strings.TrimPrefix(dep, module+"/")
				for _, other := range verbs {
					if other != from && under(to, other) {
						t.Errorf("%s reaches %s: verbs meet only through the API server", p.room(), to)
					}
				}
			}
		}
	}
}

func TestDriversKnowNoVerb(t *testing.T) {
	for _, p := range all(t) {
		if !under(p.room(), "cloudprovider") && !under(p.room(), "internal/world") && !under(p.room(), "internal/kube") && !under(p.room(), "api") {
			continue
		}
		for _, dep := range p.Deps {
			for _, verb := range verbs {
				if under(strings.TrimPrefix(dep, module+"/"), verb) {
					t.Errorf("%s reaches the verb %s", p.room(), verb)
				}
			}
		}
	}
}

func TestQuarantine(t *testing.T) {
	for _, p := range all(t) {
		for _, q := range quarantine {
			inside := func(rooms []string) bool {
				return slices.ContainsFunc(rooms, func(r string) bool { return under(p.room(), r) })
			}
			if !inside(q.rooms) && slices.ContainsFunc(p.Imports, func(i string) bool { return under(i, q.module) }) {
				t.Errorf("%s imports %s, which is for %v only: %s", p.room(), q.module, q.rooms, q.why)
			}
			tests := append(slices.Clone(p.TestImports), p.XTestImports...)
			if !inside(q.rooms) && !inside(q.tests) && slices.ContainsFunc(tests, func(i string) bool { return under(i, q.module) }) {
				t.Errorf("the tests of %s import %s, which is for %v only: %s", p.room(), q.module, q.rooms, q.why)
			}
		}
	}
}

func TestLightPackagesStayLight(t *testing.T) {
	for _, p := range all(t) {
		if !slices.ContainsFunc(light, func(r string) bool { return under(p.room(), r) }) {
			continue
		}
		for _, dep := range p.Deps {
			if under(dep, "k8s.io/kubernetes") || under(dep, "go.etcd.io/etcd/server/v3") {
				t.Errorf("%s reaches %s by some way: its tests would take minutes to build", p.room(), dep)
				break
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range all(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		// go list gives the first sentence; the essay is in the file.
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.room())
		}
	}
}

// forbidden names say how code is kept, not what it is about.
var forbidden = []string{"util", "utils", "common", "helpers", "helper", "types", "misc", "pkg", "interfaces"}

func TestRoomsAreNamedAfterTheirSubject(t *testing.T) {
	for _, p := range all(t) {
		if slices.Contains(forbidden, filepath.Base(p.room())) {
			t.Errorf("%s is named after how code is kept, not what it is about", p.room())
		}
	}
}

// top is everything that may lie at the top of the tree.
var top = []string{
	".ci", ".git", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "api", "bench", "bin", "cloudprovider", "cmd", "cycle",
	"docs", "doctor", "go.mod", "go.sum", "internal", "manifests", "scale", "staticcheck.conf",
}

func TestNothingElseLiesAtTheTop(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(top, e.Name()) {
			t.Errorf("%s lies at the top of the tree: find it a room", e.Name())
		}
	}
}
