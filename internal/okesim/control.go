package okesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Control serves orders to the emulator itself, in JSON: what a test in another language, or a person with curl, does to the cloud behind
// everybody's back. It is a handler of its own and unsigned: serve it where only its user can reach it.
//
//	GET    /state                      pools with their nodes, instances, work requests
//	GET    /calls                      how often each operation was asked
//	GET    /operations                 every operation with its permissions
//	POST   /faults                     {"op":"UpdateNodePool","times":1,"status":429,"retryAfter":"7s", ...}, see [FaultOrder]
//	DELETE /faults?op=NAME             disarm; all without a name
//	PUT    /capacity                   {"shape":..,"ad":..,"fd":..,"hosts":0}; -1 is unlimited
//	PUT    /limits                     {"shape":..,"ad":..,"instances":3} or {"limit":"standard-e4-core-count","ad":..,"units":8}
//	PUT    /quotas                     {"shape":..,"instances":3}
//	POST   /launches                   {"pool":..,"times":1,"fault":"OutOfCapacity"}; times 0 mends
//	POST   /terminations               {"pool":..,"times":1}
//	POST   /refusals                   {"op":"GetNodePool","status":404}; status 0 allows again
//	PUT    /policy                     {"statements":["Allow ..."]}; null allows everything
//	POST   /instances/{id}/kill        the host is lost
//	POST   /instances/{id}/preempt     the preemptible capacity is taken back
//	PUT    /instances/{id}/maintenance {"due":"2027-01-02T03:04:05Z"}
//	PUT    /instances/{id}/console     {"text":"Kernel panic"}
//	POST   /pools/{id}/reconcile       OKE looks after the pool by itself
//	POST   /images/{id}/retire         nothing can be launched from the image any more
//	PUT    /clusters/{id}/version      {"version":"v1.35.0"}, at once
//
// Answers are 200 with JSON, 204, or an error of the same form as the API's.
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range s.orders() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				writeError(w, errUnparsable(err), 0)
				return
			}
			switch out, err := do(r, order(body)); {
			case errors.As(err, new(*Error)):
				writeError(w, err, 0)
			case err != nil:
				writeError(w, errInvalid("%v", err), 0)
			case out == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				writeJSON(w, http.StatusOK, out)
			}
		})
	}
	return mux
}

// order is the body of an order.
type order []byte

func (o order) decode(into any) error {
	if len(bytes.TrimSpace(o)) == 0 {
		return errMissing("a body")
	}
	d := json.NewDecoder(bytes.NewReader(o))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errUnparsable(err)
	}
	return nil
}

// A FaultOrder is [HTTPFault] and [Sim.FailNext] in JSON. Durations are Go's ("1.5s").
type FaultOrder struct {
	Op         string  `json:"op"`              // "*" is any
	Times      int     `json:"times,omitempty"` // default 1; negative: until the faults are cleared
	Status     int     `json:"status,omitempty"`
	Code       string  `json:"code,omitempty"`
	Message    string  `json:"message,omitempty"`
	RetryAfter string  `json:"retryAfter,omitempty"`
	Lost       bool    `json:"lost,omitempty"`
	Drop       bool    `json:"drop,omitempty"`
	Truncate   bool    `json:"truncate,omitempty"`
	Stale      bool    `json:"stale,omitempty"`
	Delay      string  `json:"delay,omitempty"`
	Chance     float64 `json:"chance,omitempty"`
}

// Arm arms the fault, or says what is wrong with the order.
func (s *Sim) Arm(o FaultOrder) error {
	if o.Op != "*" && !knownOperation(o.Op) {
		return errInvalid("op %q is not an operation of this emulator; \"*\" is any", o.Op)
	}
	f := HTTPFault{Status: o.Status, Code: o.Code, Message: o.Message, Lost: o.Lost, Drop: o.Drop, Truncate: o.Truncate, Stale: o.Stale, Chance: o.Chance}
	for _, field := range []struct {
		text string
		into *time.Duration
	}{{o.RetryAfter, &f.RetryAfter}, {o.Delay, &f.Delay}} {
		if field.text == "" {
			continue
		}
		d, err := time.ParseDuration(field.text)
		if err != nil || d < 0 {
			return errInvalid("%q is not a duration like 1.5s", field.text)
		}
		*field.into = d
	}
	switch {
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return errInvalid("status must be 400 to 599, not %d", f.Status)
	case f.Chance < 0 || f.Chance > 1:
		return errInvalid("chance must be 0 to 1, not %v", f.Chance)
	case f == (HTTPFault{Chance: f.Chance}):
		return errInvalid("the fault does nothing: give a status, a delay, lost, drop, truncate or stale")
	}
	times := o.Times
	if times == 0 {
		times = 1
	}
	s.FailNext(o.Op, times, f)
	return nil
}

func knownOperation(name string) bool {
	for _, r := range routes {
		if r.op == name {
			return true
		}
	}
	return false
}

// poolOrAny checks that a pool exists before orders about it are taken; an empty OCID is any pool.
func (s *Sim) poolOrAny(id string) error {
	if id == "" {
		return nil
	}
	_, err := s.Pool(id)
	return err
}

// shapeAndPlace refuses capacity for a shape or a place that does not exist: such an order would wait for ever.
func (s *Sim) shapeAndPlace(shape, ad, fd string) error {
	if _, err := findShape(shape); err != nil {
		return err
	}
	if ad != "" {
		if err := s.findAD(ad); err != nil {
			return err
		}
	}
	if fd != "" && !slices.Contains(faultDomains, fd) {
		return errInvalid("fault domain %q is not one of %s", fd, strings.Join(faultDomains, ", "))
	}
	return nil
}
