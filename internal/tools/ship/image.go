package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the time of everything in an image: a real one would make two images
// of one source differ.
var epoch = time.Unix(0, 0).UTC()

// nonroot is the user that the manifests ask for.
const nonroot = 65532

// image writes an OCI layout: an index with an image for each platform. The
// image is one layer, and in it the binaries, their SBOMs and a user's name; no
// shell, no package manager, nothing that could be updated or exploited on its own. The
// authorities that TLS trusts are in the binaries.
func (o order) image(ctx context.Context) error {
	work, err := os.MkdirTemp("", "tidemill-ship-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	made := map[platform][]string{}
	for _, p := range o.platforms {
		if p.os != "linux" {
			return fmt.Errorf("an image is for linux, not for %s", p)
		}
		if made[p], err = o.builds(ctx, p, filepath.Join(work, p.arch)); err != nil {
			return err
		}
	}
	digest, err := o.layout(made)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	say("%s is an OCI layout; copy it with: skopeo copy --all oci:%s:%s docker://REGISTRY/tidemill:%s", o.out, o.out, o.version, o.version)
	return nil
}

// layout writes an index over the platforms, with the version as its name, and
// where it comes from beside it.
func (o order) layout(made map[platform][]string) (v1.Hash, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range o.platforms {
		img, err := o.assemble(p, made[p])
		if err != nil {
			return v1.Hash{}, fmt.Errorf("assemble image for %s: %w", p, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	path, err := layout.Write(o.out, empty.Index)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("write layout: %w", err)
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})); err != nil {
		return v1.Hash{}, fmt.Errorf("write layout: %w", err)
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	subjects := []subject{{"tidemill:" + o.version, map[string]string{digest.Algorithm: digest.Hex}}}
	return digest, o.writeProvenance(filepath.Join(o.out, "provenance.intoto.json"), "image", made[o.platforms[0]][0], subjects)
}

// assemble makes the image of one platform.
func (o order) assemble(p platform, binaries []string) (v1.Image, error) {
	entries := []entry{
		{path: "etc/", mode: 0o755},
		{path: "etc/passwd", mode: 0o444, content: fmt.Appendf(nil, "nonroot:x:%d:%d:nonroot:/:/tidemill\n", nonroot, nonroot)},
	}
	for _, path := range binaries {
		program, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		bill, err := sbom(path, o.version, p)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		entries = append(entries, entry{path: name, mode: 0o555, content: program}, entry{path: name + ".spdx.json", mode: 0o444, content: bill})
	}
	content, err := archive(append(entries, entry{path: "tmp/", mode: 0o1777}))
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "tidemill ship"}}); err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, o.config(p, img))
}

// config says how the image is run.
func (o order) config(p platform, img v1.Image) *v1.ConfigFile {
	file, err := img.ConfigFile()
	if err != nil { // it was made in memory a moment ago
		panic(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = p.os, p.arch, v1.Time{Time: epoch}
	file.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", nonroot, nonroot),
		Entrypoint: []string{"/tidemill"},
		Cmd:        []string{"run"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "tidemill",
			"org.opencontainers.image.version":  o.version,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.source":   "https://github.com/tidemill/tidemill",
		},
	}
	if o.revision != "" {
		file.Config.Labels["org.opencontainers.image.revision"] = o.revision
	}
	return file
}

// entry is a file of an archive, a directory where the path ends with "/", or a
// symbolic link.
type entry struct {
	path    string
	mode    int64
	content []byte
	link    string
}

// archive is a tar of these entries in this order, without times and owners.
func archive(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		kind := byte(tar.TypeReg)
		switch {
		case e.link != "":
			kind = tar.TypeSymlink
		case e.path[len(e.path)-1] == '/':
			kind = tar.TypeDir
		}
		h := &tar.Header{Name: e.path, Linkname: e.link, Typeflag: kind, Mode: e.mode, Size: int64(len(e.content)), ModTime: epoch, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("archive %s: %w", e.path, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("archive %s: %w", e.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
