package main

import (
	"archive/tar"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// built are the programs, made once, the way tests build them, so that nothing has
// to be compiled again; that shipped ones are static is checked when they are
// built.
var built = sync.OnceValues(func() ([]string, error) {
	dir, err := os.MkdirTemp("", "tidemill-ship-test-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/tidemill", "./cmd/tidemill-doctor")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return []string{filepath.Join(dir, commands[0]), filepath.Join(dir, commands[1])}, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if paths, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(paths[0]))
	}
	os.Exit(code)
}

func programs(t *testing.T) []string {
	t.Helper()
	paths, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

var here = platform{"linux", runtime.GOARCH}

// TestImage runs the programs out of a layout as a registry would get it.
func TestImage(t *testing.T) {
	binaries := programs(t)
	o := order{version: "1.2.3", revision: strings.Repeat("ab", 20), out: t.TempDir(), platforms: []platform{here}}
	if _, err := o.layout(map[platform][]string{here: binaries}); err != nil {
		t.Fatal(err)
	}
	img := read(t, o.out, o.version)[here.String()]
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/tidemill"}) || config.Architecture != here.arch {
		t.Errorf("config is %+v for %s", config.Config, config.Architecture)
	}
	if got := config.Config.Labels["org.opencontainers.image.revision"]; got != o.revision {
		t.Errorf("the image is of revision %q", got)
	}
	dir := t.TempDir()
	files := unpack(t, img, dir)
	if want := []string{"etc/", "etc/passwd", "tidemill", "tidemill.spdx.json", "tidemill-doctor", "tidemill-doctor.spdx.json", "tmp/"}; !slices.Equal(files, want) {
		t.Errorf("the image has %v, want %v", files, want)
	}
	out, err := exec.Command(filepath.Join(dir, "tidemill"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "tidemill ") {
		t.Errorf("run out of the image: %v: %s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "tidemill-doctor"), "--help").CombinedOutput(); err != nil {
		t.Errorf("run out of the image: %v: %s", err, out)
	}
	starts(t, filepath.Join(dir, "tidemill"))
	t.Logf("%d files; %s", len(files), strings.TrimSpace(string(out)))
}

// starts: the entrypoint gets as far as one can without a cluster, and says so.
func starts(t *testing.T, program string) {
	t.Helper()
	cmd := exec.Command(program, "run", "--kubeconfig", "/nonexistent/config")
	cmd.Env = []string{"HOME=/"}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(string(out), "hint: ") {
		t.Errorf("run without a cluster: %v: %s", err, out)
	}
}

// The image has no file of authorities: who calls by TLS carries them along.
func TestAuthorities(t *testing.T) {
	for _, binary := range programs(t) {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == "golang.org/x/crypto/x509roots/fallback" }) {
			t.Errorf("%s carries no authorities", filepath.Base(binary))
		}
	}
}

// unpack writes the image's files below dir and gives their names.
func unpack(t *testing.T, img v1.Image, dir string) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	var names []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Mode&0o6000 != 0 || h.Uid != 0 || !h.ModTime.Equal(epoch) {
			t.Errorf("%s has mode %o, owner %d, time %s", h.Name, h.Mode, h.Uid, h.ModTime)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, filepath.Base(h.Name))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, os.FileMode(h.Mode)|0o200)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, r); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The bill of materials is what the linker says, module for module.
func TestSBOM(t *testing.T) {
	binary := programs(t)[1]
	text, err := sbom(binary, "1.2.3", here)
	if err != nil {
		t.Fatal(err)
	}
	var doc spdx
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	listed, ids := map[string]string{}, map[string]bool{}
	for _, p := range doc.Packages {
		listed[p.Name] = p.Version
		if ids[p.ID] {
			t.Errorf("%s is there twice", p.ID)
		}
		ids[p.ID] = true
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if listed[m.Path] != m.Version {
			t.Errorf("%s is %q in the bill and %q in the binary", m.Path, listed[m.Path], m.Version)
		}
	}
	if len(doc.Packages) != len(info.Deps)+2 || len(doc.Relationships) != len(doc.Packages) {
		t.Errorf("%d packages and %d relationships for %d modules", len(doc.Packages), len(doc.Relationships), len(info.Deps))
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Packages[0].Checksums[0].Value; got != fmt.Sprintf("%x", sha256.Sum256(program)) {
		t.Errorf("the checksum %s is another binary's", got)
	}
}

func TestChartAndInstall(t *testing.T) {
	o := order{root: "../../..", out: t.TempDir(), version: "1.2.3"}
	if err := o.chart(); err != nil {
		t.Fatal(err)
	}
	if err := o.install(); err != nil {
		t.Fatal(err)
	}
	if err := o.manifests(); err != nil {
		t.Fatal(err)
	}
	overlaysBuild(t, o)
	text, err := os.ReadFile(filepath.Join(o.out, "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"image: tidemill:1.2.3", "kind: CustomResourceDefinition", "kind: ValidatingAdmissionPolicy", "kind: Deployment"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("install.yaml lacks %q", want)
		}
	}
	if notes, err := o.notes(); err != nil || !strings.HasPrefix(string(notes), "# tidemill 1.2.3") {
		t.Errorf("notes: %v\n%s", err, notes)
	}
	if err := o.checksums(); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sha256sum", "-c", "SHA256SUMS")
	check.Dir = o.out
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestStamp(t *testing.T) {
	got := string(stamp([]byte("name: tidemill\nversion: 0.1.0\nappVersion: 0.1.0\nkubeVersion: \">=1.30\"\n"), "1.2.3"))
	if want := "name: tidemill\nversion: 1.2.3\nappVersion: 1.2.3\nkubeVersion: \">=1.30\"\n"; got != want {
		t.Errorf("stamped %q", got)
	}
}

func TestBadOrders(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		say  string
	}{
		{nil, "usage"},
		{[]string{"publish"}, "usage"},
		{[]string{"image"}, "-out is not given"},
		{[]string{"image", "-out", full}, "is not empty"},
		{[]string{"image", "-out", t.TempDir(), "-version", "v1"}, "not semantic"},
		{[]string{"image", "-out", t.TempDir(), "-revision", "main"}, "not a commit in full"},
		{[]string{"image", "-out", t.TempDir(), "-platforms", "plan9/mips"}, "is not one of"},
		{[]string{"image", "-out", t.TempDir(), "-platforms", "darwin/arm64"}, "an image is for linux"},
	} {
		if err := run(t.Context(), tt.args); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%v: error %v, want %q", tt.args, err, tt.say)
		}
	}
}
