package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// What is not whole must never look like what is: a body that ends in its middle, a
// list of which one part came. Both are drawn after the cluster is built, so that
// tapes from before there were any mean what they meant.

// tears is a kind of fault: the head says 200, and the body ends in its middle. What
// was asked for is done. Of a watch it is the line of an event that ends so.
var tears = fault{"torn", func(w *World, o *op) answer {
	a := w.serve(o)
	if a.r == nil {
		return a
	}
	if f, watch := a.r.Body.(*feed); watch {
		f.tears = true
		return a
	}
	a.r.Body, a.err = tear(a.r)
	return a
}}

// tear leaves the first half of a body. Its head still tells the length of the whole.
func tear(r *http.Response) (io.ReadCloser, error) {
	whole, err := readAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), brokenOff{})), nil
}

// brokenOff is a connection that ends before the body does.
type brokenOff struct{}

// Read implements io.Reader.
func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// pageSizes are how long the cloud's lists may be at most; OKE's own comes first.
var pageSizes = []int{0, 0, 3, 2}

// drawParts draws what came later than tapes that are kept: a frame of its own, after
// the world's.
func (w *World) drawParts() {
	if w.opt.Gentle {
		return
	}
	w.tape.Align()
	if w.tape.Chance(600) {
		w.mix.kinds = append(w.mix.kinds, len(faults)-1)
	}
	w.cloud.SetPageSize(pageSizes[w.tape.Pick(len(pageSizes))])
	w.drawTastes()
	w.drawVolumes()
	w.drawGates()
	w.drawHabits()
}
