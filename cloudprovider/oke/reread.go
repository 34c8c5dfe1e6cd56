package oke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
)

// Most answers say what the one before them said: a pool is read every few seconds and
// changes every few days. The SDK reads an answer's text four times over, and a pool of
// a thousand nodes is a megabyte of it, so that the same text is not read again: the
// SDK gets an empty answer in its place, with the headers of the true one, and what it
// made of that text the last time is put where it belongs. The request is made all the
// same, and one byte that differs is another answer.

// reread is what was last made of the answer to one question. It is shared by all who
// have asked since: nobody changes it.
type reread[T any] struct {
	mu    sync.Mutex
	known bool
	sum   [sha256.Size]byte
	value T
}

// glance is one try's look at the text of an answer.
type glance struct {
	known     bool
	was       [sha256.Size]byte
	read      bool // whole, and of a kind that can be left out
	sum       [sha256.Size]byte
	unchanged bool
}

type glanced struct{}

// ask makes a call whose answer may be as it was. part is where its text ends up.
func ask[R response, T any](ctx context.Context, p *Provider, last *reread[T], op string, part func(*R) *T, do func(context.Context) (R, error)) (R, error) {
	var g *glance
	var before T
	r, err := call(ctx, p, p.readPolicy, op, func(ctx context.Context) (R, error) {
		last.mu.Lock()
		g, before = &glance{known: last.known, was: last.sum}, last.value
		last.mu.Unlock()
		return do(context.WithValue(ctx, glanced{}, g))
	})
	switch {
	case err != nil || g == nil:
	case g.unchanged:
		*part(&r) = before
	case g.read:
		last.mu.Lock()
		last.known, last.sum, last.value = true, g.sum, *part(&r)
		last.mu.Unlock()
	}
	return r, err
}

// glanceAt leaves out of the answer what is known.
func glanceAt(ctx context.Context, r *http.Response) {
	g, ok := ctx.Value(glanced{}).(*glance)
	if !ok || r.StatusCode != http.StatusOK || r.Body == nil {
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil { // the SDK shall meet it too
		r.Body = &broken{bytes.NewReader(text), r.Body, err}
		return
	}
	_ = r.Body.Close()
	empty := emptyOf(text)
	g.read, g.sum = empty != nil, sha256.Sum256(text)
	if g.read && g.known && g.sum == g.was {
		g.unchanged, text = true, empty
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
}

// emptyOf is an answer of the same kind that says nothing.
func emptyOf(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return []byte("{}")
	case bytes.HasPrefix(text, []byte("[")):
		return []byte("[]")
	}
	return nil
}

// broken is a body that has ended before its end.
type broken struct {
	io.Reader
	io.Closer
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}
