package oke

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// A pool that is as it was is read from memory, one that is not from its text; either
// way it is what a driver without a memory reads.
func TestLookReadsNoTextTwice(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Name: "p", Size: 2})
	read := func() look {
		t.Helper()
		w.settle(id)
		got, err := w.look(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want, err := w.driver().look(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		return got
	}
	first := read()
	if again := read(); &again.pool.Nodes[0] != &first.pool.Nodes[0] {
		t.Error("the same text was read again")
	}
	if err := w.Resize(t.Context(), id, 2, 3); err != nil {
		t.Fatal(err)
	}
	if third := read(); third.size() != 3 || first.size() != 2 {
		t.Errorf("sizes %d and then %d, want 2 and 3", first.size(), third.size())
	}
	// What is cut off is no answer, also when it begins as the last one did.
	w.readPolicy.tries = 1
	w.sim.FailNext("GetNodePool", 1, okesim.HTTPFault{Truncate: true})
	if l, err := w.look(t.Context(), id); err == nil {
		t.Errorf("half an answer is %+v", l)
	}
	read()
	for range 2 {
		list, err := w.listPools(t.Context())
		if err != nil || len(list) != 1 || str(list[0].Id) != string(id) {
			t.Errorf("%d pools, %v", len(list), err)
		}
	}
}

// Texts that are no answer are left to the SDK, whole or broken.
func TestGlance(t *testing.T) {
	torn := errors.New("torn")
	for name, c := range map[string]struct {
		body   io.Reader
		status int
		want   string
		err    error
		known  bool
	}{
		"an object":      {strings.NewReader(`{"id":"x"}`), 200, `{}`, nil, true},
		"a list":         {strings.NewReader(`[1]`), 200, `[]`, nil, true},
		"a page":         {strings.NewReader(`<html>`), 200, `<html>`, nil, false},
		"nothing":        {strings.NewReader(``), 200, ``, nil, false},
		"a refusal":      {strings.NewReader(`{"code":"x"}`), 404, `{"code":"x"}`, nil, false},
		"half an object": {io.MultiReader(strings.NewReader(`{"id"`), tear{torn}), 200, `{"id"`, torn, false},
	} {
		var text []byte
		if s, ok := c.body.(*strings.Reader); ok {
			text, _ = io.ReadAll(s)
			_, _ = s.Seek(0, io.SeekStart)
		}
		first := &glance{}
		glanceAt(context.WithValue(t.Context(), glanced{}, first), &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(string(text)))})
		g := &glance{known: true, was: first.sum}
		r := &http.Response{StatusCode: c.status, Body: io.NopCloser(c.body)}
		glanceAt(context.WithValue(t.Context(), glanced{}, g), r)
		got, err := io.ReadAll(r.Body)
		if string(got) != c.want || !errors.Is(err, c.err) || g.unchanged != c.known {
			t.Errorf("%s: %q, %v, known %v", name, got, err, g.unchanged)
		}
	}
}

type tear struct{ err error }

func (b tear) Read([]byte) (int, error) { return 0, b.err }

// Two questions have nothing to do with each other.
func TestRereadIsOfOneQuestion(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	ids := []cloudprovider.PoolID{w.addPool(okesim.Pool{Name: "a", Size: 1}), w.addPool(okesim.Pool{Name: "b", Size: 1})}
	for range 3 {
		for _, id := range ids {
			if l, err := w.look(t.Context(), id); err != nil || str(l.pool.Id) != string(id) {
				t.Errorf("%s is read as %s: %v", id, str(l.pool.Id), err)
			}
		}
	}
}
