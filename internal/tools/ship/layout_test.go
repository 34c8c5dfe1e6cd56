package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// read opens a layout, checks every digest, size and media type in it and that
// nothing else is in it, and gives its images by platform.
func read(t *testing.T, dir, version string) map[string]v1.Image {
	t.Helper()
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := top.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != version {
		t.Fatalf("index.json is %+v, %v", manifest, err)
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("the layout is not valid: %v", err)
	}
	platforms, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	wanted, images := []string{manifest.Manifests[0].Digest.Hex}, map[string]v1.Image{}
	for _, d := range platforms.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		images[d.Platform.String()] = img
		wanted = append(wanted, blobs(t, d.Digest, img)...)
	}
	onlyThese(t, dir, wanted)
	return images
}

// blobs are the digests of an image's manifest, configuration and layers.
func blobs(t *testing.T, manifest v1.Hash, img v1.Image) []string {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{manifest.Hex, m.Config.Digest.Hex}
	for _, l := range m.Layers {
		out = append(out, l.Digest.Hex)
	}
	return out
}

// onlyThese blobs are there, each under the name of what it holds.
func onlyThese(t *testing.T, dir string, wanted []string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(content)); sum != f.Name() {
			t.Errorf("blob %s holds %s", f.Name(), sum)
		}
		got = append(got, f.Name())
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if !slices.Equal(slices.Compact(wanted), got) {
		t.Errorf("blobs are %v, referred to are %v", got, wanted)
	}
}

// small stands for both commands where only what is made of them is looked at.
func small(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{"main.go": "package main\n\nfunc main() {}\n", "go.mod": "module example.com/small\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	for _, c := range commands {
		out = append(out, filepath.Join(dir, c))
		cmd := exec.Command("go", "build", "-trimpath", "-o", c, ".")
		cmd.Dir = dir
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build: %v: %s", err, said)
		}
	}
	return out
}

// A layout of two platforms is valid, says where it is from, and is the same to
// the last byte when it is made again somewhere else.
func TestLayout(t *testing.T) {
	var digests []v1.Hash
	var dirs []string
	both := []platform{{"linux", "amd64"}, {"linux", "arm64"}}
	for range 2 {
		o := order{version: "1.2.3", revision: strings.Repeat("ab", 20), out: t.TempDir(), platforms: both}
		binaries := small(t)
		digest, err := o.layout(map[platform][]string{both[0]: binaries, both[1]: binaries})
		if err != nil {
			t.Fatal(err)
		}
		digests, dirs = append(digests, digest), append(dirs, o.out)
	}
	if digests[0] != digests[1] {
		t.Errorf("made twice, it is %s and %s", digests[0], digests[1])
	}
	if a, b := listing(t, dirs[0]), listing(t, dirs[1]); !slices.Equal(a, b) {
		t.Errorf("made twice, it is\n%s\nand\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	images := read(t, dirs[0], "1.2.3")
	for _, p := range both {
		if images[p.String()] == nil {
			t.Errorf("there is no image for %s, only %v", p, images)
		}
	}
	said := statementOf(t, filepath.Join(dirs[0], "provenance.intoto.json"))
	if len(said.Subject) != 1 || said.Subject[0].Digest["sha256"] != digests[0].Hex {
		t.Errorf("the statement is about %+v, want %s", said.Subject, digests[0])
	}
}

// listing is every file below a directory with its digest.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		out = append(out, fmt.Sprintf("%s %x", strings.TrimPrefix(path, dir), sha256.Sum256(content)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func statementOf(t *testing.T, path string) statement {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Type != statementType || s.PredicateType != predicateType {
		t.Errorf("%s is a %s about %s", path, s.Type, s.PredicateType)
	}
	return s
}
