package okesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds a request body; the largest real one is a pool with long cloud-init scripts.
const maxBody = 1 << 20

func (s *Sim) newHandler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, r) })
	}
	mux.HandleFunc("POST /v1/x509", s.serveFederation)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		writeError(w, &Error{http.StatusNotFound, "NotFound", req.Method + " " + req.URL.Path + " is not an operation of this emulator"}, 0)
	})
	return mux
}

// ServeHTTP serves the three APIs.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("opc-request-id", s.requestID(r))
	w.Header().Set("Date", s.date())
	s.handler.ServeHTTP(w, r)
}

// requestID extends the caller's request id, as the service does, so that both sides' logs can be matched.
func (s *Sim) requestID(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	return fmt.Sprintf("%s/%016X", r.Header.Get("opc-request-id"), s.requests)
}

// serve is the way of every request: who are you, is a fault armed, what do you want, may you, and the answer.
func (s *Sim) serve(w http.ResponseWriter, r *http.Request, route route) {
	status := s.respond(w, r, route)
	s.traceCall(route.op, r.URL.Path, status)
	if status == 0 {
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// respond returns the status of the answer, 0 if the connection is to be cut.
func (s *Sim) respond(w http.ResponseWriter, r *http.Request, route route) (status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return writeError(w, errUnparsable(err), 0)
	}
	who, err := s.authenticate(r, body)
	if err != nil {
		return writeError(w, err, 0)
	}
	fault := s.nextFault(route.op)
	if !fault.wait(r.Context()) || fault.Lost {
		return 0 // the caller went away, or was never heard
	}
	if fault.Status != 0 && !fault.Drop {
		code, message := fault.words()
		return writeError(w, &Error{fault.Status, code, message}, fault.RetryAfter)
	}
	if past, ok := s.remembered(r.URL.RequestURI()); ok && fault.Stale && r.Method == http.MethodGet {
		return past.write(w)
	}
	a, err := s.apply(route, &call{Request: r, body: body, principal: who})
	if fault.Drop {
		return 0 // done, but nobody hears of it
	}
	if err != nil {
		return writeError(w, err, 0)
	}
	out := a.render()
	if r.Method == http.MethodGet {
		s.remember(r.URL.RequestURI(), out)
	}
	if fault.Truncate && len(out.text) > 1 {
		w.Header().Set("Content-Length", strconv.Itoa(len(out.text)))
		out.text = out.text[:len(out.text)/2]
		out.write(w)
		_ = http.NewResponseController(w).Flush() // or the server would cut what it has not sent; the recorder has nothing to flush
		return 0
	}
	return out.write(w)
}

func (s *Sim) apply(route route, c *call) (*answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caller = c.principal
	if err := s.permit(route, c); err != nil {
		return nil, err
	}
	return route.serve(s, c)
}

// An answer is what a successful operation sends. Its body must not be written to after it is built.
type answer struct {
	status int
	body   any // nil sends none
	header map[string]string
}

func ok(body any) *answer {
	return &answer{status: http.StatusOK, body: body, header: map[string]string{}}
}

// accepted is the answer to every mutation of Container Engine: nothing but the work request to watch.
func accepted(w *workRequest) *answer {
	return &answer{status: http.StatusAccepted, header: map[string]string{"opc-work-request-id": w.ID}}
}

func (a *answer) with(key, value string) *answer {
	if value != "" {
		a.header[key] = value
	}
	return a
}

// render encodes the body: text as it is, everything else as JSON.
func (a *answer) render() rendered {
	var text []byte
	switch body := a.body.(type) {
	case nil:
	case []byte:
		text = body
	default:
		b, err := json.Marshal(body)
		if err != nil {
			panic(err) // every body is made of strings, numbers, and JSON that was parsed before
		}
		text = append(b, '\n')
	}
	return rendered{a, text}
}

func (r rendered) write(w http.ResponseWriter) (status int) {
	if r.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	for key, value := range r.header {
		w.Header().Set(key, value)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.text) // the only error is a caller who went away
	return r.status
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the only error is a caller who went away
}

func writeError(w http.ResponseWriter, err error, retryAfter time.Duration) (status int) {
	e := &Error{http.StatusInternalServerError, "InternalError", err.Error()}
	errors.As(err, &e)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.Status, map[string]string{"code": e.Code, "message": e.Message})
	return e.Status
}
