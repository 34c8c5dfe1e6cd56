package okesim

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Do serves a request in the calling goroutine, without a socket: the second front end, over the same handler. A Sim can be the
// HTTPClient of an SDK client and, by RoundTrip, the Transport of an http.Client. Nothing but the Sim's own timers waits for anything, so a
// simulation in testing/synctest owns the whole clock.
//
// A connection that a fault cuts is an error of Do, or of reading the body, as it would be over a network.
func (s *Sim) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RemoteAddr = "direct"
	w := &recorder{header: http.Header{}}
	cut := serveUntilCut(s, w, in)
	_ = in.Body.Close() // the contract of a RoundTripper
	if err := r.Context().Err(); err != nil && w.status == 0 {
		return nil, err
	}
	if cut && w.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return w.response(r, cut), nil
}

// RoundTrip is Do, for an http.Client.
func (s *Sim) RoundTrip(r *http.Request) (*http.Response, error) { return s.Do(r) }

// serveUntilCut says whether the handler gave the connection up.
func serveUntilCut(h http.Handler, w http.ResponseWriter, r *http.Request) (cut bool) {
	defer func() {
		switch reason := recover(); reason {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(reason)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// recorder is a ResponseWriter that keeps what is written.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *recorder) response(r *http.Request, cut bool) *http.Response {
	w.WriteHeader(http.StatusOK)
	length := int64(w.body.Len())
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	var body io.Reader = &w.body
	if cut {
		body = io.MultiReader(body, failing{io.ErrUnexpectedEOF})
	}
	return &http.Response{Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: length, Request: r}
}

// failing is the end of a body that was cut off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
