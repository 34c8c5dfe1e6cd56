package sim

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// mix is how bad one run is: drawn first, so that some runs have few kinds of
// faults and those often, which finds what an even mix does not.
type mix struct {
	replicas int
	parts    parts
	lease    lease
	still    time.Duration // how long nothing is written before the end is looked at
	fault    int           // permille of ops that fail
	kinds    []int
	crash    int // permille of steps
	chaos    int // permille of steps
	people   int // permille of steps
	// zombies go on with their loops when they have lost the Lease, for ten minutes: a
	// process that was stopped for a while and comes to in the middle of a write.
	zombies bool
	moments int // permille of steps
}

func (w *World) drawMix() {
	w.mix = mix{replicas: 1 + w.tape.Pick(2), parts: swarms[0], lease: leases[0], still: stillness}
	if w.opt.Gentle {
		w.mix.replicas = 1
		w.mix.people = 6
		w.mix.zombies = w.opt.Zombies
		if w.opt.Story != nil { // which is played many times
			w.mix.still = 3 * time.Minute
		}
		return
	}
	w.mix.parts = swarms[w.tape.Pick(len(swarms))]
	w.mix.lease = leases[w.tape.Pick(len(leases))]
	w.mix.still = []time.Duration{5 * time.Minute, 4 * time.Minute, 6 * time.Minute, 3 * time.Minute, 5 * time.Minute, 4 * time.Minute, 3 * time.Minute, stillness}[w.tape.Pick(8)]
	w.mix.fault = []int{0, 20, 60, 150}[w.tape.Pick(4)]
	for k := range faults[:len(faults)-1] { // what bodies end in comes later, see drawParts
		if w.tape.Chance(600) {
			w.mix.kinds = append(w.mix.kinds, k)
		}
	}
	w.mix.crash = []int{0, 2, 5, 10}[w.tape.Pick(4)]
	w.mix.chaos = []int{0, 5, 15, 30}[w.tape.Pick(4)]
	w.mix.people = []int{8, 15, 25, 40}[w.tape.Pick(4)]
	w.mix.zombies = w.mix.replicas > 1 && w.tape.Chance(400)
	w.mix.moments = []int{0, 0, 15, 40}[w.tape.Pick(4)]
}

// fault is a way in which an op can fail.
type fault struct {
	name string
	do   func(*World, *op) answer
}

var faults = []fault{
	{"500", func(w *World, o *op) answer { return o.refusal(500, "etcdserver: request timed out") }},
	{"429", func(w *World, o *op) answer { return o.refusal(429, "too many requests, please try again later") }},
	{"409", func(w *World, o *op) answer { return o.refusal(409, "the object has been modified") }},
	{"reset", func(w *World, o *op) answer { return answer{err: errReset} }},
	{"lost", func(w *World, o *op) answer { // applied, and the answer lost
		w.serve(o)
		return answer{err: errReset}
	}},
	{"503", func(w *World, o *op) answer {
		return o.refusal(503, "the server is currently unable to handle the request")
	}},
	{"stale", func(w *World, o *op) answer { // a replica of the cloud that lags; the API server's lists do not
		if o.cloud != nil && !o.writes() {
			w.cloud.FailNext("*", 1, okesim.HTTPFault{Stale: true})
		}
		return w.serve(o)
	}},
	{"403", func(w *World, o *op) answer { return o.refusal(403, "forbidden") }},
	tears,
}

// unanswered is what a cloud answers that does not.
var unanswered = fault{"silence", func(w *World, o *op) answer { return o.refusal(503, "the service is unavailable") }}

// refusal answers in the words of whoever was asked, and does nothing.
func (o *op) refusal(status int, message string) answer {
	if o.kube != nil {
		return answer{r: o.p.response(o, model.Refusal(status, message, map[int]int{429: 1}[status]))}
	}
	code := map[int]string{500: "InternalError", 429: "TooManyRequests", 409: "IncorrectState", 503: "ServiceUnavailable", 401: "NotAuthenticated", 403: "NotAuthenticated"}[status]
	body := fmt.Appendf(nil, `{"code":%q,"message":%q}`, code, message)
	return answer{r: &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}, "Opc-Request-Id": {"sim"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: o.cloud}}
}

// quiet waits until nothing moves, and takes stock.
func (w *World) quiet() ([]*op, []*feed) {
	synctest.Wait()
	w.letGo()
	w.takeEvents()
	w.reap()
	now := time.Now()
	var ops []*op
	for _, o := range w.ops() {
		if !now.Before(o.p.frozen) && !(electing(o) && (now.Before(o.p.deaf) || w.standsBy(o.p, now))) {
			ops = append(ops, o)
		}
	}
	var feeds []*feed
	for _, p := range w.procs {
		if now.Before(p.frozen) {
			continue
		}
		kept, idle := p.feeds[:0], w.standsBy(p, now)
		for _, f := range p.feeds {
			if f.dead() {
				continue
			}
			kept = append(kept, f)
			if !idle && f.stream.Behind() && len(f.lines) == 0 && !w.stale(f, now) && !now.Before(f.hangs) {
				feeds = append(feeds, f)
			}
		}
		p.feeds = kept
	}
	return ops, feeds
}

// reap forgets the dead and starts as many as should run.
func (w *World) reap() {
	alive := w.procs[:0]
	for _, p := range w.procs {
		if p.ctx.Err() == nil {
			alive = append(alive, p)
		}
	}
	w.procs = alive
	started := false
	for len(w.procs) < w.mix.replicas {
		w.reseed(w.lives)
		w.start()
		started = true
	}
	if started {
		synctest.Wait()
	}
}

// grant serves an op and gives its answer.
func (w *World) grant(o *op, f *fault) {
	w.unpost(o)
	w.stats.ops++
	if o.gate() {
		w.note("look %s", o.key)
		o.answer <- answer{}
		return
	}
	w.reseed(0)
	if o.writes() && !electing(o) && !o.question() {
		w.writes++
		if w.opt.CrashAt == w.writes && w.opt.Crash != NoCrash {
			w.crashAt(o)
			return
		}
	}
	if f == nil && o.cloud != nil && time.Now().Before(w.silent) {
		f = &unanswered
	}
	if f == nil {
		a := w.serve(o)
		w.note("op %s = %s", o.key, a)
		o.answer <- a
		return
	}
	w.stats.faults++
	w.stats.kinds[f.name]++
	if o.cloud != nil {
		w.books.thrift.failed = time.Now()
	}
	a := f.do(w, o)
	w.note("op %s FAULT %s = %s", o.key, f.name, a)
	o.answer <- a
}

// reseed seeds the one global source that client-go's jitter comes from, before somebody
// goes on who may draw: a draw more or less in one goroutine, which may have been at
// its death, is then not felt by all that follows. of tells those apart who go on in one
// step.
func (w *World) reseed(of int) {
	//lint:ignore SA1019 there is no other way in
	rand.Seed(int64(w.hash ^ uint64(w.step) ^ uint64(of)<<32))
}

func electing(o *op) bool { return o.kube != nil && model.Electing(o.kube) }

func (a answer) String() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.r == nil:
		return "ok"
	case a.r.StatusCode >= 400 && a.text != "":
		return fmt.Sprint(a.r.StatusCode, " ", a.text)
	}
	return fmt.Sprint(a.r.StatusCode)
}

// crashAt is the enumerated death.
func (w *World) crashAt(o *op) {
	w.stats.crashes++
	w.note("crash %s %s", w.opt.Crash, o.key)
	switch w.opt.Crash {
	case CrashDuring:
		w.serve(o)
	case CrashAfter:
		o.answer <- w.serve(o)
		synctest.Wait()
	}
	o.p.kill()
}

// crash kills a process; each of its writes under way may or may not land.
func (w *World) crash(p *process) {
	w.stats.crashes++
	w.note("crash %s", p.name)
	for _, o := range w.ops() {
		if o.p == p && o.writes() && w.tape.Chance(500) {
			w.unpost(o)
			a := w.serve(o)
			w.note("op %s = %s, nobody reads it", o.key, a)
		}
	}
	p.kill()
}

// stale is whether the watch is kept from its event.
func (w *World) stale(f *feed, now time.Time) bool {
	return w.late == f && w.writes < w.opt.UntilWrite && now.Sub(w.since) < 5*time.Minute
}

// deliver hands one event to one watch.
func (w *World) deliver(f *feed) {
	if w.late == nil && w.told+1 == w.opt.StaleAt {
		w.late, w.since = f, time.Now()
		w.note("stale %s", f.key)
		return
	}
	if !f.hangs.IsZero() { // what a watch had kept back is news when it comes
		f.hangs, w.heard = time.Time{}, time.Now()
	}
	w.told++
	w.seen = append(w.seen, w.writes)
	line, ended := f.stream.Next()
	line = f.reads(line)
	w.note("event %s", f.key)
	if f.tears {
		line, ended = line[:len(line)/2], true
	}
	f.lines <- line
	if ended {
		synctest.Wait()
		w.reseed(0)
		f.end()
	}
}

// gentle is a step of a world in which nothing goes wrong: events before
// requests, requests before time.
func (w *World) gentle() {
	w.step++
	ops, feeds := w.quiet()
	switch {
	case w.spring(ops):
	case len(feeds) > 0:
		for _, f := range feeds {
			w.deliver(f)
		}
	case len(ops) > 0:
		w.grant(ops[0], nil)
	default:
		w.doze()
	}
}

// pauses are how long time passes, the friendliest first.
var pauses = []time.Duration{time.Second, 200 * time.Millisecond, 3 * time.Second, 20 * time.Millisecond}

// rough is a step of a world in which everything may.
func (w *World) rough() {
	w.step++
	w.tape.Align()
	ops, feeds := w.quiet()
	switch {
	case w.spring(ops):
		return
	case w.tape.Chance(w.mix.people):
		w.person()
		return
	case w.tape.Chance(w.mix.parts.ills):
		w.ail()
		return
	case w.tape.Chance(w.mix.crash) && len(w.procs) > 0:
		w.crash(w.procs[w.tape.Pick(len(w.procs))])
		return
	case w.tape.Chance(w.mix.chaos):
		w.chaos()
		return
	case w.tape.Chance(w.mix.parts.hostile):
		w.outrage()
		return
	case w.tape.Chance(w.mix.moments):
		w.moment()
		return
	}
	r := w.tape.Pick(100)
	switch {
	case len(ops) > 0 && r < 65:
		o := ops[w.tape.Pick(len(ops))]
		var f *fault
		if !o.gate() && len(w.mix.kinds) > 0 && w.tape.Chance(w.mix.fault) {
			f = &faults[w.mix.kinds[w.tape.Pick(len(w.mix.kinds))]]
		}
		w.grant(o, f)
	case len(feeds) > 0 && r < 88:
		w.deliver(feeds[w.tape.Pick(len(feeds))])
	default:
		w.pass(pauses[w.tape.Pick(len(pauses))])
	}
}
