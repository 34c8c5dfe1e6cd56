package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestFiles makes everything that a release has, of two platforms, and looks for
// each thing that docs/releasing.md promises.
func TestFiles(t *testing.T) {
	both := []platform{{"linux", "amd64"}, {"darwin", "arm64"}}
	o := order{root: "../../..", version: "1.2.3", revision: strings.Repeat("ab", 20), out: t.TempDir(), platforms: both}
	binaries, words := small(t), []entry{{path: "man1/tidemill.1", mode: 0o644, content: []byte("page")}}
	if err := o.files(map[platform][]string{both[0]: binaries, both[1]: binaries}, words); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range listing(t, o.out) {
		got = append(got, strings.TrimPrefix(strings.Fields(line)[0], "/"))
	}
	want := []string{
		"NOTES.md", "SHA256SUMS", "install.yaml", "provenance.intoto.json",
		"tidemill-1.2.3-darwin-arm64.spdx.json", "tidemill-1.2.3-darwin-arm64.tar.gz",
		"tidemill-1.2.3-linux-amd64.spdx.json", "tidemill-1.2.3-linux-amd64.tar.gz",
		"tidemill-chart-1.2.3.tgz",
		"tidemill-doctor-1.2.3-darwin-arm64.spdx.json", "tidemill-doctor-1.2.3-linux-amd64.spdx.json",
		"tidemill-manifests-1.2.3.tar.gz",
	}
	if !slices.Equal(got, want) {
		t.Errorf("a release is %q, want %q", got, want)
	}
	dir := t.TempDir()
	extract(t, filepath.Join(o.out, "tidemill-1.2.3-linux-amd64.tar.gz"), dir)
	top := filepath.Join(dir, "tidemill-1.2.3-linux-amd64")
	for _, file := range []string{"LICENSE", "tidemill", "kubectl-tidemill", "tidemill-doctor", "man1/tidemill.1"} {
		if info, err := os.Stat(filepath.Join(top, file)); err != nil || info.Size() == 0 {
			t.Errorf("the archive lacks %s: %v", file, err)
		}
	}
	said := statementOf(t, filepath.Join(o.out, "provenance.intoto.json"))
	if len(said.Subject) != len(want)-2 { // neither of itself nor of the checksums
		t.Errorf("the statement is about %d files, want %d", len(said.Subject), len(want)-2)
	}
	if sources := said.Predicate.Definition.Dependencies[0]; sources.Digest["gitCommit"] != o.revision {
		t.Errorf("the sources are %+v", sources)
	}
	verifies(t, o.out)
}

// verifies: the checksums are right, and notice a changed byte.
func verifies(t *testing.T, dir string) {
	t.Helper()
	check := func() ([]byte, error) {
		cmd := exec.Command("sha256sum", "--strict", "-c", "SHA256SUMS")
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := check(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "install.yaml"), []byte("kind: Surprise\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil {
		t.Errorf("a file that was changed passes: %s", out)
	}
}

// What a shell says of builds does not reach them: of two values in an environment
// the last one counts.
func TestSettings(t *testing.T) {
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOFLAGS", "-tags=surprise")
	t.Setenv("CGO_ENABLED", "1")
	cmd := exec.Command("go", "env", "GOOS", "GOARCH", "GOAMD64", "GOFLAGS", "CGO_ENABLED", "GOWORK")
	cmd.Env = append(os.Environ(), platform{"linux", "amd64"}.settings()...)
	out, err := cmd.Output()
	if want := "linux\namd64\nv1\n-mod=readonly\n0\noff\n"; err != nil || string(out) != want {
		t.Errorf("a build has %q, %v, want %q", out, err, want)
	}
}

// A tree with changes is nobody's version, but may be tried.
func TestDirtyTree(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	run("init", "-q")
	run("commit", "-q", "--allow-empty", "-m", "first")
	clean := order{root: dir, version: "1.2.3"}
	if err := clean.source(t.Context()); err != nil || !commitID.MatchString(clean.revision) {
		t.Errorf("a clean tree is revision %q, %v", clean.revision, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dirty := order{root: dir, version: "1.2.3"}
	if err := dirty.source(t.Context()); err == nil || !strings.Contains(err.Error(), "in no commit") {
		t.Errorf("a version of a dirty tree: %v", err)
	}
	trial := order{root: dir, version: "1.2.3-rc.1"}
	if err := trial.source(t.Context()); err != nil || trial.revision != clean.revision+"-dirty" {
		t.Errorf("a trial of a dirty tree is revision %q, %v", trial.revision, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "vendored"), 0o700); err != nil {
		t.Fatal(err)
	}
	within := order{root: filepath.Join(dir, "vendored"), version: "1.2.3"}
	if err := within.source(t.Context()); err != nil || within.revision != "" {
		t.Errorf("sources within another checkout are revision %q, %v", within.revision, err)
	}
}

// What the real program says of itself gets into the archives.
func TestGuide(t *testing.T) {
	words, err := guide(t.Context(), programs(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, w := range words {
		have[w.path] = string(w.content)
	}
	for path, say := range map[string]string{
		"man1/tidemill.1": ".SH NAME", "man1/tidemill-cycle.1": ".SH OPTIONS",
		"completions/tidemill.bash": "complete -", "completions/_tidemill": "#compdef tidemill", "completions/tidemill.fish": "complete -c tidemill",
		"completions/kubectl_complete-tidemill": "exec kubectl-tidemill __complete",
	} {
		if !strings.Contains(have[path], say) {
			t.Errorf("%s does not say %q", path, say)
		}
	}
}

// overlaysBuild: each overlay of the packaged manifests is one command away, with
// this version's image where it has one.
func overlaysBuild(t *testing.T, o order) {
	t.Helper()
	dir := t.TempDir()
	extract(t, filepath.Join(o.out, "tidemill-manifests-"+o.version+".tar.gz"), dir)
	tagged := 0
	overlays, err := filepath.Glob(filepath.Join(dir, "*", "overlays", "*", "kustomization.yaml"))
	if err != nil || len(overlays) < 5 {
		t.Fatalf("overlays are %v, %v", overlays, err)
	}
	for _, path := range overlays {
		objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Dir(path))
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := objects.AsYaml()
		if err != nil || bytes.Count(text, []byte("image: tidemill:")) != bytes.Count(text, []byte("image: tidemill:"+o.version)) {
			t.Errorf("%s has not this version's image, %v", filepath.Base(filepath.Dir(path)), err)
		}
		tagged += bytes.Count(text, []byte("image: tidemill:"+o.version))
	}
	if tagged < 5 {
		t.Errorf("%d images in all overlays: the test proves little", tagged)
	}
}

// extract unpacks a release's archive below dir.
func extract(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, path)
		default:
			content, readErr := io.ReadAll(r)
			if readErr != nil {
				t.Fatal(readErr)
			}
			err = os.WriteFile(path, content, os.FileMode(h.Mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNotes: a version's own part, not that of a longer number and not what came
// after it; a trial has what is not released yet.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	text := "# Changelog\n\n## Unreleased\n\nnew\n\n## 1.2.30 (2027-01-02)\n\nlater\n\n## [1.2.3] (2027-01-01)\n\nthis\n"
	if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1.2.3": "this", "1.2.30": "later", "1.2.4-rc.1": "new"} {
		got, err := order{root: dir, version: version}.notes()
		body, known, told := strings.Cut(string(got), "\n## Known vulnerabilities\n")
		if !told || !strings.Contains(known, "Not asked") {
			t.Errorf("notes of %s do not say whether govulncheck was asked: %q", version, got)
		}
		if err != nil || strings.TrimSpace(body) != "# tidemill "+version+"\n\n"+want {
			t.Errorf("notes of %s are %q, %v; want %q", version, got, err, want)
		}
	}
}

// TestNotesTellOfVulnerabilities: what govulncheck has said stands in the notes, as
// text, and an answer that is none is no answer.
func TestNotesTellOfVulnerabilities(t *testing.T) {
	dir := t.TempDir()
	answer := filepath.Join(dir, "answer.txt")
	o := order{root: filepath.Join("..", "..", ".."), version: "1.2.3-rc.1", answer: answer}
	if notes, err := o.notes(); err == nil {
		t.Errorf("an answer that is not there was taken: %q", notes)
	}
	for text, want := range map[string]string{"No vulnerabilities found.\n": "\n```\nNo vulnerabilities found.\n```\n", "GO-2026-0001\x1b[2J ```\n# gone": "\n```\nGO-2026-0001 [2J    \n# gone\n```\n", " \n": "", strings.Repeat("x", answerLimit+1): ""} {
		if err := os.WriteFile(answer, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		notes, err := o.notes()
		if (err == nil) != (want != "") || !strings.HasSuffix(string(notes), want) || strings.Contains(string(notes), "Not asked") {
			t.Errorf("%.40q: %v, %.300q", text, err, notes)
		}
	}
}
