package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/sim/model"
)

// errDead is what a dead process would have read, had it lived.
var errDead = errors.New("the process has died")

// errReset is a connection that broke.
var errReset = errors.New("connection reset by peer")

// op is something that a process wants and the driver has not granted yet: a
// call of the API server, a call of the cloud, or a look into its own cache.
type op struct {
	key      string // stable: the same in each run of a seed
	p        *process
	kube     *model.Request
	cloud    *http.Request
	server   *http.Request // of a server that a gate asks
	body     []byte
	ctx      context.Context
	answer   chan answer   // capacity 1
	gone     chan struct{} // closed when whoever has given it up may go on
	at       time.Time     // when it was sent
	from     int           // the size of the pool that it updates, when it was sent
	late     bool          // that size was another when it was served
	vain     bool          // it asks a pool to grow that gets no machine
	needless string        // what it asks for more, with nothing left to be replaced
	costs    int           // how many living machines the size that it asks for would end
}

type answer struct {
	r    *http.Response
	err  error
	text string // of a refusal, for the trace
}

// writes is whether the op may change anything.
func (o *op) writes() bool {
	return o.kube != nil && o.kube.Mutating() || o.cloud != nil && o.cloud.Method != http.MethodGet
}

// question is a POST that changes nothing.
func (o *op) question() bool {
	return o.cloud != nil && strings.Contains(o.cloud.URL.Path, "computeCapacityReports")
}

// gate is whether it is a look into the cache: it can be late but not fail.
func (o *op) gate() bool { return o.kube == nil && o.cloud == nil && o.server == nil }

// loopName rides in the context of each loop, so that ops of two loops that ask
// for the same are told apart.
type loopName struct{}

func nameOf(ctx context.Context) string {
	if n, ok := ctx.Value(loopName{}).(string); ok {
		return n
	}
	return "-"
}

// wait hands the op to the driver.
func (p *process) wait(o *op) (*http.Response, error) {
	if p.ctx.Err() != nil {
		return nil, errDead
	}
	o.p, o.answer, o.gone = p, make(chan answer, 1), make(chan struct{})
	p.world.post(o)
	select {
	case a := <-o.answer:
		return a.r, a.err
	case <-p.ctx.Done():
		return nil, errDead
	case <-o.ctx.Done():
	}
	if p.ctx.Err() != nil {
		return nil, errDead
	}
	// Not before its turn: a Lease that runs out gives up all requests of a process in
	// one instant, and whose loop goes on first would be the runtime's choice.
	p.world.giveUp(o)
	select {
	case <-o.gone:
		return nil, o.ctx.Err()
	case <-p.ctx.Done():
		return nil, errDead
	}
}

// RoundTrip implements http.RoundTripper for the API server.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	m := &model.Request{User: p.name, Method: r.Method, Path: r.URL.Path, Query: q, Body: body,
		ContentType: strings.TrimSpace(strings.Split(r.Header.Get("Content-Type"), ";")[0]), Accept: r.Header.Get("Accept")}
	p.writes(m)
	stable := r.URL.Query()
	for _, k := range []string{"timeoutSeconds", "timeout"} { // chosen by chance by client-go
		stable.Del(k)
	}
	return p.wait(&op{key: fmt.Sprintf("%s %s %s %s?%s %s", p.name, nameOf(r.Context()), r.Method, r.URL.Path, stable.Encode(), body), kube: m, body: body, ctx: r.Context()})
}

// cloudWay is the process' way to Oracle.
type cloudWay struct{ p *process }

// Do implements the SDK's dispatcher.
func (c cloudWay) Do(r *http.Request) (*http.Response, error) {
	body, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	o := &op{key: fmt.Sprintf("%s %s OCI %s %s %s", c.p.name, nameOf(r.Context()), r.Method, r.URL.RequestURI(), body), cloud: r, body: body, ctx: r.Context()}
	c.p.world.sent(o)
	return c.p.wait(o)
}

// unsigned signs nothing: nobody looks at it here, and it was a tenth of a run.
type unsigned struct{}

// Sign implements the SDK's signer.
func (unsigned) Sign(*http.Request) error { return nil }

func readAll(r io.ReadCloser) ([]byte, error) {
	if r == nil || r == http.NoBody {
		return nil, nil
	}
	defer r.Close()
	return io.ReadAll(r)
}

// ops are what waits for the driver, in a stable order; what nobody waits for
// any more is dropped.
func (w *World) ops() []*op {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.pending[:0]
	for _, o := range w.pending {
		if o.p.ctx.Err() == nil && o.ctx.Err() == nil {
			kept = append(kept, o)
		}
	}
	w.pending = kept
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].key < kept[j].key })
	return append([]*op(nil), kept...)
}

func (w *World) post(o *op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.at = time.Now()
	w.pending = append(w.pending, o)
	w.wakeDriver()
}

// giveUp notes an op that its sender does not wait for any more.
func (w *World) giveUp(o *op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.givenUp = append(w.givenUp, o)
	w.wakeDriver()
}

// letGo lets those go on who have given up, one after the other by their keys.
func (w *World) letGo() {
	for {
		w.mu.Lock()
		list := w.givenUp
		w.givenUp = nil
		w.mu.Unlock()
		if len(list) == 0 {
			return
		}
		sort.SliceStable(list, func(i, j int) bool { return list[i].key < list[j].key })
		for i, o := range list {
			w.reseed(i)
			close(o.gone)
			synctest.Wait()
		}
	}
}

func (w *World) unpost(o *op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.pending {
		if w.pending[i] == o {
			w.pending = append(w.pending[:i], w.pending[i+1:]...)
			return
		}
	}
}

// serve carries an op out.
func (w *World) serve(o *op) answer {
	switch {
	case o.kube != nil:
		return w.serveKube(o)
	case o.cloud != nil:
		return w.serveCloud(o)
	case o.server != nil:
		return w.serveGate(o)
	}
	return answer{}
}

func (w *World) serveKube(o *op) answer {
	if strings.Contains(o.kube.Path, "/kube-node-lease/") {
		w.heartbeat()
	}
	w.actor = o
	w.looks(o)
	if electing(o) && o.kube.Mutating() {
		o.kube.Body = w.redated(o)
	}
	r := w.api.Serve(o.kube)
	w.actor = nil
	w.asks(o, r)
	if o.kube.Mutating() && !electing(o) {
		w.tells(string(o.body), "a write")
	}
	if o.kube.Mutating() && r.Status < 300 {
		w.stats.writes++
	}
	return answer{r: o.p.response(o, r), text: r.Message}
}

// response is an answer as client-go gets it; a watch stays open.
func (p *process) response(o *op, r model.Response) *http.Response {
	h := http.Header{"Content-Type": {r.ContentType}, "Date": {time.Now().Add(p.world.api.Skew).UTC().Format(http.TimeFormat)}}
	p.reckons(h)
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	out := &http.Response{StatusCode: r.Status, Status: fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h}
	if r.Watch != nil {
		f := &feed{stream: r.Watch, key: o.key, reads: p.reads, lines: make(chan []byte, 1), over: make(chan struct{}), life: p.ctx, ask: o.ctx}
		p.feeds = append(p.feeds, f)
		out.Body = f
		return out
	}
	text := p.reads(r.Body)
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return out
}

func (w *World) serveCloud(o *op) answer {
	in := o.cloud.Clone(context.Background())
	in.Body = io.NopCloser(bytes.NewReader(o.body))
	w.beforeCloud(o)
	_, o.late = w.outdated(o)
	r, err := w.cloudAnswers(o, in)
	if err == nil {
		w.hears(o, r.StatusCode)
	}
	if err == nil && o.writes() {
		w.afterCloud(o, r.StatusCode)
	}
	return answer{r: r, err: err}
}

// feed is the body of a watch: the driver hands in lines.
type feed struct {
	stream *model.Stream
	key    string
	reads  func([]byte) []byte // as whom it is for reads it
	lines  chan []byte         // capacity 1: the driver looks whether it is empty
	rest   []byte
	over   chan struct{}
	ended  bool      // by the driver
	closed bool      // by the reader
	hangs  time.Time // nothing comes before then
	tears  bool      // its next event ends in the middle
	life   context.Context
	ask    context.Context
}

// Read implements io.Reader.
func (f *feed) Read(b []byte) (int, error) {
	if len(f.rest) == 0 {
		select {
		case f.rest = <-f.lines:
		default:
			select {
			case f.rest = <-f.lines:
			case <-f.over:
				if f.tears {
					return 0, io.ErrUnexpectedEOF
				}
				return 0, io.EOF
			case <-f.life.Done():
				return 0, errDead
			case <-f.ask.Done():
				return 0, f.ask.Err()
			}
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (f *feed) Close() error { f.closed = true; return nil }

// end breaks the watch.
func (f *feed) end() {
	if !f.ended {
		f.ended = true
		close(f.over)
	}
}

// dead is whether nobody reads it any more.
func (f *feed) dead() bool {
	return f.ended || f.closed || f.life.Err() != nil || f.ask.Err() != nil
}
