package sim

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// A replica may live on a machine whose clock is off, and what it writes down is then
// read by the next leader, who has another clock. All in a bubble have one time, so it
// is its letters that are dated anew: what it writes is later by what its clock is
// ahead, and what it reads is earlier by that. To it nothing else can be told from a
// world in which all other clocks are off the other way. It lives by one clock, from
// its start to its end: what a cache holds would be of the clock before.

// refusedBeyond is how far the Date of a request may be from Oracle's own time.
const refusedBeyond = 5 * time.Minute

// instant is a time as the API server, Oracle and the daemon write it.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// redate moves all times in a text. What nobody means as a time of these days stays.
func redate(text []byte, by time.Duration) []byte {
	if by == 0 || len(text) == 0 {
		return text
	}
	return instant.ReplaceAllFunc(text, func(old []byte) []byte {
		t, err := time.Parse(time.RFC3339Nano, string(old))
		if err != nil || t.Year() < 1990 || t.Year() > 2100 {
			return old
		}
		layout := "2006-01-02T15:04:05"
		if n := len(old) - len(layout) - 1; n > 0 {
			layout += "." + strings.Repeat("0", n-1)
		}
		return []byte(t.Add(by).Format(layout + "Z"))
	})
}

// writes is a request as others read it.
func (p *process) writes(m *model.Request) {
	if p.wall == 0 {
		return
	}
	// No times can be found in protobuf.
	m.Accept = strings.ReplaceAll(m.Accept, "application/vnd.kubernetes.protobuf", "application/json")
	if !model.Electing(m) { // redated is about those
		m.Body = redate(m.Body, p.wall)
	}
}

// reads is an answer, or an event, as the process reads it.
func (p *process) reads(text []byte) []byte { return redate(text, -p.wall) }

// reckons is what the process takes a Date to be.
func (p *process) reckons(h http.Header) {
	if at, err := http.ParseTime(h.Get("Date")); err == nil && p.wall != 0 {
		h.Set("Date", at.Add(-p.wall).UTC().Format(http.TimeFormat))
	}
}

// cloudAnswers has Oracle's answer, as the process reads it.
func (w *World) cloudAnswers(o *op, in *http.Request) (*http.Response, error) {
	wall := o.p.wall
	if wall == 0 {
		return w.cloud.Do(in)
	}
	if wall.Abs() > refusedBeyond {
		a := o.refusal(http.StatusUnauthorized, "the date is too far off")
		a.r.Header.Set("Date", time.Now().Add(-wall).UTC().Format(http.TimeFormat))
		return a.r, a.err
	}
	r, err := w.cloud.Do(in)
	if err != nil {
		return r, err
	}
	o.p.reckons(r.Header)
	text, err := readAll(r.Body)
	if err != nil {
		return nil, err
	}
	text = o.p.reads(text)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	if r.Header.Get("Content-Length") != "" {
		r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	}
	return r, nil
}

// begins notes how a run's begin is dated by who begins it.
func (w *World) begins(writer string, old, next *v1alpha1.Pool) {
	run := next.Status.Cycle
	if run == nil || old.Status.Cycle != nil && old.Status.Cycle.StartedAt.Equal(&run.StartedAt) {
		return
	}
	for _, p := range w.procs {
		if p.name == writer && p.wall != 0 {
			w.books.begun[run.StartedAt.Unix()] = p.wall
		}
	}
}

// runBegan is when a run truly began.
func (w *World) runBegan(run *v1alpha1.CycleStatus) time.Time {
	return run.StartedAt.Add(-w.books.begun[run.StartedAt.Unix()])
}
