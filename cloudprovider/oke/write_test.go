package oke

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// gate lets requests pass or breaks the line before them.
type gate struct {
	next common.HTTPRequestDispatcher
	open func(path, query string) bool
}

func (g gate) Do(r *http.Request) (*http.Response, error) {
	if !g.open(r.URL.Path, r.URL.RawQuery) {
		return nil, errors.New("the line broke")
	}
	return g.next.Do(r)
}

// before runs something once, just before the first write leaves.
type before struct {
	next common.HTTPRequestDispatcher
	once *sync.Once
	do   func()
}

func (b before) Do(r *http.Request) (*http.Response, error) {
	b.once.Do(b.do)
	return b.next.Do(r)
}

// Between look and write somebody else resizes: the etag has moved, the next
// look tells what became of it.
func TestResizeAgainstAnother(t *testing.T) {
	for _, c := range []struct {
		name  string
		other int
		want  error
		size  int
	}{
		{"to another size", 5, cloudprovider.ErrConflict, 5},
		{"to the same size", 2, nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, okesim.Options{})
			id := w.addPool(okesim.Pool{Size: 1})
			w.writes0().HTTPClient = before{w.writes0().HTTPClient, new(sync.Once), func() { w.setSizeBehind(id, c.other) }}
			if err := w.Resize(t.Context(), id, 1, 2); !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if got := w.size(id); got != c.size {
				t.Errorf("size is %d, want %d", got, c.size)
			}
		})
	}
}

// An etag that moved for another reason than the size is no conflict.
func TestResizeAgainstAnotherChange(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	name := "renamed"
	w.writes0().HTTPClient = before{w.writes0().HTTPClient, new(sync.Once), func() {
		if _, err := w.sim.UpdatePool(string(id), okesim.PoolUpdate{Name: &name}, ""); err != nil {
			t.Error(err)
		}
	}}
	if err := w.Resize(t.Context(), id, 1, 2); err != nil {
		t.Fatal(err)
	}
	if w.size(id) != 2 {
		t.Errorf("size is %d", w.size(id))
	}
}

// writes0 is the driver's client for writes; world has a field of that name.
func (w *world) writes0() *common.BaseClient { return &w.Provider.writes.BaseClient }

// Two daemons at once: one wins, whoever it is, and the other is told.
func TestTwoDriversRace(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	drivers := []*Provider{w.Provider, w.driver(), w.driver()}
	errs := make([]error, len(drivers))
	var wg sync.WaitGroup
	for i, d := range drivers {
		wg.Go(func() { errs[i] = d.Resize(t.Context(), id, 1, 2+i) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if w.size(id) != 2+i {
				t.Errorf("driver %d won and the size is %d", i, w.size(id))
			}
		case !errors.Is(err, cloudprovider.ErrConflict):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won: %v", won, errs)
	}
}

func TestResizeBody(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	view, err := w.sim.Pool(string(id))
	if err != nil {
		t.Fatal(err)
	}
	cost := w.requests(func() {
		if err := w.Resize(t.Context(), id, 1, 4); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "UpdateNodePool": 1}, cost); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	got := w.lastWrite()
	if got.body != `{"nodeConfigDetails":{"size":4}}` || got.ifMatch != view.ETag || got.method != "PUT" {
		t.Errorf("write %+v, want if-match %s", got, view.ETag)
	}
}

// A server error may hide a write that was done: 500 after the fact, then the
// truth.
func TestResizeServerError(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	w.sim.FailNext("UpdateNodePool", 1, okesim.HTTPFault{Status: 503})
	if err := w.Resize(t.Context(), id, 1, 2); err != nil || w.size(id) != 2 {
		t.Fatalf("size %d, %v", w.size(id), err)
	}
	w.settle(id)
	w.sim.FailNext("UpdateNodePool", rounds, okesim.HTTPFault{Status: 503})
	err := w.Resize(t.Context(), id, 2, 3)
	if err == nil || !strings.Contains(err.Error(), "503") || w.size(id) != 2 {
		t.Fatalf("size %d, error %v", w.size(id), err)
	}
}

func TestResizeQuota(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	if err := w.Resize(t.Context(), id, 1, 5000); !errors.Is(err, cloudprovider.ErrQuota) {
		t.Fatalf("error is %v", err)
	}
	if w.sim.Calls()["UpdateNodePool"] != 1 {
		t.Errorf("%d writes for a no", w.sim.Calls()["UpdateNodePool"])
	}
}
