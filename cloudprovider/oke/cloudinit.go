package oke

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// What a pool's user_data may cost to read. OCI takes 32 KB of metadata; what it
// unpacks to is another matter, and a pool's owner is not to be trusted with this
// process's memory.
const (
	mostScript  = 256 << 10 // bytes unpacked, all layers together
	mostLayers  = 4         // gzip in base64 in MIME in gzip
	mostParts   = 32        // of one MIME message, or files of one cloud-config
	scriptLimit = "more than 256 KiB unpacked"
)

// scripts are the texts in a pool's user_data, each without its comments:
// cloud-init takes a script, a cloud-config, either of them gzipped, and MIME
// messages of all these. problem says what could not be read; what could be is
// there all the same.
func scripts(userData string) (texts []string, problem string) {
	if userData == "" {
		return nil, ""
	}
	u := unpacker{left: mostScript}
	u.unpack(unbase64(userData), 0)
	return u.texts, u.problem
}

// unbase64 decodes what is base64 and leaves alone what is not: OCI wants it
// encoded, and people forget.
func unbase64(text string) []byte {
	joined := strings.Join(strings.Fields(text), "")
	if raw, err := base64.StdEncoding.DecodeString(joined); err == nil {
		return raw
	}
	return []byte(text)
}

type unpacker struct {
	texts   []string
	problem string
	left    int64
}

func (u *unpacker) fail(format string, args ...any) {
	if u.problem == "" {
		u.problem = short(fmt.Sprintf(format, args...)) // a parser's words may quote the script
	}
}

// unpack takes one layer off, until what is left is text.
func (u *unpacker) unpack(raw []byte, layer int) {
	switch head := bytes.TrimLeft(raw, "\r\n\t "); {
	case layer > mostLayers:
		u.fail("more than %d layers of encoding", mostLayers)
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		u.gunzip(raw, layer)
	case hasHeader(head, "Content-Type:"), hasHeader(head, "MIME-Version:"):
		u.message(head, layer)
	case bytes.HasPrefix(head, []byte("#cloud-config")) && !bytes.HasPrefix(head, []byte("#cloud-config-archive")):
		u.add(raw)
		u.files(raw, layer)
	default:
		u.add(raw)
	}
}

func hasHeader(head []byte, name string) bool {
	return len(head) >= len(name) && strings.EqualFold(string(head[:len(name)]), name)
}

// comments are whole lines: a "#" further on may be part of a string.
var comments = regexp.MustCompile(`(?m)^[ \t]*#.*$`)

func (u *unpacker) add(raw []byte) {
	if u.left -= int64(len(raw)); u.left < 0 {
		u.fail(scriptLimit)
		return
	}
	u.texts = append(u.texts, comments.ReplaceAllString(string(raw), ""))
}

func (u *unpacker) gunzip(raw []byte, layer int) {
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		u.fail("gzip: %v", err)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r, u.left+1))
	switch {
	case err != nil:
		u.fail("gzip: %v", err)
	case int64(len(text)) > u.left:
		u.fail(scriptLimit)
	default:
		u.unpack(text, layer+1)
	}
}

// message reads a MIME message, of one part or of several.
func (u *unpacker) message(raw []byte, layer int) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		u.fail("MIME: %v", err)
		return
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		u.part(m.Body, m.Header.Get("Content-Transfer-Encoding"), layer)
		return
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for range mostParts {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			u.fail("MIME: %v", err)
			return
		}
		u.part(p, p.Header.Get("Content-Transfer-Encoding"), layer)
	}
	u.fail("more than %d MIME parts", mostParts)
}

func (u *unpacker) part(r io.Reader, encoding string, layer int) {
	raw, err := io.ReadAll(io.LimitReader(r, 2*mostScript)) // base64 is longer than what is in it
	if err != nil {
		u.fail("MIME: %v", err)
		return
	}
	if strings.EqualFold(encoding, "base64") {
		raw = unbase64(string(raw))
	}
	u.unpack(raw, layer+1)
}

// files reads what a cloud-config writes to disk, as a script may be there that
// it runs.
func (u *unpacker) files(raw []byte, layer int) {
	var config struct {
		Files []struct {
			Encoding string `json:"encoding"`
			Content  string `json:"content"`
		} `json:"write_files"`
	}
	if err := yaml.Unmarshal(raw, &config); err != nil {
		u.fail("cloud-config: %v", err)
		return
	}
	for i, f := range config.Files {
		if i == mostParts {
			u.fail("more than %d files", mostParts)
			return
		}
		switch e := strings.ToLower(f.Encoding); {
		case strings.Contains(e, "b64"), strings.Contains(e, "base64"):
			u.unpack(unbase64(f.Content), layer+1)
		case e != "": // a binary form that no script has; plain text is in the config itself
			u.fail("cloud-config: a file of encoding %q", f.Encoding)
		}
	}
}
