// Package bundle packs what a support case needs to know of one node into one
// archive, and nothing that it must not.
//
//	allow-list ─► collect (capped, no links out) ─► redact ─► tar.zst: files…, manifest.json
//
// What goes in is a list of files ([Files]) and what the caller adds, such as
// the report and the Node. It is a list of what is wanted and not of what is
// forbidden: no environment, no command line, no Secret, no token and no key is
// ever read, so none has to be recognised. What is left could still carry names:
// addresses, OCIDs and MACs become tokens that are the same throughout the
// bundles of one run, so that a reader can still tell that two lines speak of
// one machine; what looks like a credential is struck out altogether. The
// manifest says what was left out, cut and struck, by file, line and rule.
package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Schema names the shape of the manifest.
const Schema = "tidemill.dev/bundle/v1"

// Caps of a bundle, before compression.
const (
	maxFile = 4 << 20
	maxAll  = 64 << 20
	// maxStruck is how many places of one file the manifest lists; it counts all.
	maxStruck = 100
)

// File is one file of a bundle.
type File struct {
	// Name has no leading slash: "host/proc/loadavg".
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"`
	// Cut is set where there was more; Err is why there is nothing.
	Cut bool   `json:"cut,omitempty"`
	Err string `json:"error,omitempty"`
}

// Manifest is what a bundle says of itself, as manifest.json.
type Manifest struct {
	Schema  string    `json:"schema"`
	Node    string    `json:"node"`
	Time    time.Time `json:"time"`
	Version string    `json:"version"`
	// Files are those in the archive, in order; Missing those that are not.
	Files   []Entry   `json:"files"`
	Missing []Missing `json:"missing,omitempty"`
	// Redactions say what was struck out or made a token, first places only.
	Redactions []Redaction `json:"redactions,omitempty"`
	// Redacted counts all of them by rule.
	Redacted map[string]int `json:"redacted"`
}

// Entry is one file of the archive, as it lies there.
type Entry struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	Cut    bool   `json:"cut,omitempty"`
}

// Missing is a file that was wanted.
type Missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Redaction is one place where something was taken out.
type Redaction struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Rule string `json:"rule"`
}

// Write packs the files as one archive. The same files and the same redactor
// give the same archive but for the time.
func Write(w io.Writer, node, version string, now time.Time, files []File, r *Redactor) error {
	z, err := zstd.NewWriter(w)
	if err != nil {
		return fmt.Errorf("write bundle of %s: %w", node, err)
	}
	archive := tar.NewWriter(z)
	// The archive's own name must not give away what its contents hide.
	m := Manifest{Schema: Schema, Node: r.Text(node), Time: now.UTC(), Version: version, Files: []Entry{}, Redacted: map[string]int{}}
	left := maxAll
	for _, f := range files {
		e, data := m.admit(f, &left, r)
		if e == nil {
			continue
		}
		m.Files = append(m.Files, *e)
		if err := put(archive, f.Name, data, now); err != nil {
			return fmt.Errorf("write bundle of %s: %w", node, err)
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write bundle of %s: %w", node, err)
	}
	for _, step := range []func() error{func() error { return put(archive, "manifest.json", text, now) }, archive.Close, z.Close} {
		if err := step(); err != nil {
			return fmt.Errorf("write bundle of %s: %w", node, err)
		}
	}
	return nil
}

// admit redacts a file and cuts it to what there is room for.
func (m *Manifest) admit(f File, left *int, r *Redactor) (*Entry, []byte) {
	if !local(f.Name) {
		m.Missing = append(m.Missing, Missing{fmt.Sprintf("%.100q", f.Name), "its name leads out of the archive"})
		return nil, nil
	}
	if f.Err != "" {
		m.Missing = append(m.Missing, Missing{f.Name, r.Text(f.Err)})
		return nil, nil
	}
	data := f.Data
	room := min(maxFile, *left)
	if room <= 0 {
		m.Missing = append(m.Missing, Missing{f.Name, fmt.Sprintf("the bundle is full (%d bytes)", maxAll)})
		return nil, nil
	}
	if cut := len(data) > room; cut {
		f.Cut, data = true, data[len(data)-room:] // the newest is at the end
	}
	data = r.redact(f.Name, data, m)
	*left -= len(data)
	sum := sha256.Sum256(data)
	return &Entry{f.Name, len(data), hex.EncodeToString(sum[:]), f.Cut}, data
}

// local is whether a name stays inside the archive's directory when it is
// unpacked.
func local(name string) bool {
	return name != "" && path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !bytes.HasPrefix([]byte(name), []byte("../"))
}

func put(w *tar.Writer, name string, data []byte, now time.Time) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: now.Truncate(time.Second), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
