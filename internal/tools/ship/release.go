package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// release writes everything that a version consists of but the image: it
// publishes nothing.
func (o order) release(ctx context.Context) error {
	work, err := os.MkdirTemp("", "tidemill-ship-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	made := map[platform][]string{}
	for _, p := range o.platforms {
		if made[p], err = o.builds(ctx, p, filepath.Join(work, p.os+"-"+p.arch)); err != nil {
			return err
		}
	}
	program, err := o.local(ctx, made, work)
	if err != nil {
		return err
	}
	words, err := guide(ctx, program)
	if err != nil {
		return err
	}
	return o.files(made, words)
}

// files writes what is to be had: archives first, what is said of them last.
func (o order) files(made map[platform][]string, words []entry) error {
	for _, p := range o.platforms {
		if err := o.platformFiles(p, made[p], words); err != nil {
			return err
		}
	}
	if err := o.chart(); err != nil {
		return fmt.Errorf("package chart: %w", err)
	}
	if err := o.manifests(); err != nil {
		return fmt.Errorf("package manifests: %w", err)
	}
	if err := o.install(); err != nil {
		return fmt.Errorf("write install.yaml: %w", err)
	}
	notes, err := o.notes()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "NOTES.md"), notes, 0o644); err != nil {
		return err
	}
	subjects, err := o.subjects()
	if err != nil {
		return err
	}
	if err := o.writeProvenance(filepath.Join(o.out, "provenance.intoto.json"), "release", made[o.platforms[0]][0], subjects); err != nil {
		return err
	}
	return o.checksums()
}

// platformFiles are a platform's archive and bills of materials.
func (o order) platformFiles(p platform, binaries []string, words []entry) error {
	license, err := os.ReadFile(filepath.Join(o.root, "LICENSE"))
	if err != nil {
		return err
	}
	base := fmt.Sprintf("tidemill-%s-%s-%s", o.version, p.os, p.arch)
	entries := []entry{{path: base + "/", mode: 0o755}, {path: base + "/LICENSE", mode: 0o644, content: license}}
	for _, path := range binaries {
		program, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		entries = append(entries, entry{path: base + "/" + name, mode: 0o755, content: program})
		if name == "tidemill" { // kubectl finds plugins by the file's name
			entries = append(entries, entry{path: base + "/kubectl-tidemill", mode: 0o777, link: "tidemill"})
		}
		bill, err := sbom(path, o.version, p)
		if err != nil {
			return err
		}
		file := strings.Replace(base, "tidemill", name, 1) + ".spdx.json"
		if err := os.WriteFile(filepath.Join(o.out, file), bill, 0o644); err != nil {
			return err
		}
	}
	for _, w := range words {
		w.path = base + "/" + w.path
		entries = append(entries, w)
	}
	return o.write(base+".tar.gz", entries)
}

// chart packages manifests/chart as helm does, with the version stamped in.
func (o order) chart() error {
	entries, err := tree(filepath.Join(o.root, "manifests", "chart"), "tidemill/", func(rel string, content []byte) []byte {
		switch {
		case strings.HasPrefix(rel, "testdata/"): // as .helmignore says
			return nil
		case rel == "Chart.yaml":
			return stamp(content, o.version)
		}
		return content
	})
	if err != nil {
		return err
	}
	return o.write("tidemill-chart-"+o.version+".tgz", entries)
}

// manifests packages what kustomize reads: the base with this version's image,
// the overlays, monitoring and OCI's policies. install.yaml is the base alone.
func (o order) manifests() error {
	name := "tidemill-manifests-" + o.version
	entries, err := tree(filepath.Join(o.root, "manifests"), name+"/", func(rel string, content []byte) []byte {
		room, _, nested := strings.Cut(rel, "/")
		if !nested && rel != "kustomization.yaml" || nested && !slices.Contains([]string{"base", "overlays", "monitoring", "iam"}, room) {
			return nil
		}
		if filepath.Ext(rel) == ".go" {
			return nil
		}
		return o.tag(content)
	})
	if err != nil {
		return err
	}
	return o.write(name+".tar.gz", entries)
}

// tag puts this version's image where the sources have the newest: in objects, and
// where kustomize is told which image to put there.
func (o order) tag(manifest []byte) []byte {
	manifest = bytes.ReplaceAll(manifest, []byte("image: tidemill:latest"), []byte("image: tidemill:"+o.version))
	return bytes.ReplaceAll(manifest, []byte("newName: tidemill\n  newTag: latest\n"), []byte("newName: tidemill\n  newTag: "+strconv.Quote(o.version)+"\n"))
}

// tree are the files below a directory, sorted, each as change would have it; nil
// leaves it out.
func tree(dir, prefix string, change func(rel string, content []byte) []byte) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if content = change(filepath.ToSlash(rel), content); content != nil {
			entries = append(entries, entry{path: prefix + filepath.ToSlash(rel), mode: 0o644, content: content})
		}
		return nil
	})
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries, err
}

func stamp(chart []byte, version string) []byte {
	lines := strings.Split(string(chart), "\n")
	for i, l := range lines {
		for _, key := range []string{"version: ", "appVersion: "} {
			if strings.HasPrefix(l, key) {
				lines[i] = key + version
			}
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// install is the base as one file, with the version as the image's tag.
func (o order) install() error {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(o.root, "manifests"))
	if err != nil {
		return err
	}
	out, err := objects.AsYaml()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "install.yaml"), o.tag(out), 0o644)
}

// notes are the version's part of the changelog, or what is not released yet, and what
// is known of vulnerabilities.
func (o order) notes() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(o.root, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	known, err := o.vulnerabilities()
	if err != nil {
		return nil, err
	}
	for _, want := range []string{o.version, "Unreleased"} {
		for _, part := range strings.Split("\n"+string(text), "\n## ")[1:] {
			title, body, _ := strings.Cut(part, "\n")
			if name, _, _ := strings.Cut(title, " "); strings.Trim(name, "[]") == want {
				return []byte("# tidemill " + o.version + "\n" + strings.TrimRight(body, "\n") + "\n" + known), nil
			}
		}
	}
	return nil, fmt.Errorf("CHANGELOG.md has neither a part for %s nor one for what is unreleased", o.version)
}

// write is a gzipped tar with nothing in it that differs from run to run.
func (o order) write(file string, entries []entry) error {
	content, err := archive(entries)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(content); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, file), b.Bytes(), 0o644)
}

// subjects are the files that are there, with their digests.
func (o order) subjects() ([]subject, error) {
	files, err := os.ReadDir(o.out)
	if err != nil {
		return nil, err
	}
	var out []subject
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(o.out, f.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, subject{f.Name(), map[string]string{"sha256": fmt.Sprintf("%x", sha256.Sum256(content))}})
	}
	return out, nil
}

// checksums are what sha256sum -c reads.
func (o order) checksums() error {
	files, err := o.subjects()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", f.Digest["sha256"], f.Name)
	}
	fmt.Print(b.String())
	return os.WriteFile(filepath.Join(o.out, "SHA256SUMS"), []byte(b.String()), 0o644)
}
