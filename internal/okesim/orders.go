package okesim

import (
	"errors"
	"net/http"
	"time"
)

type orderFunc = func(*http.Request, order) (any, error)

// taking makes an order of a function that takes the body decoded.
func taking[T any](do func(*http.Request, T) error) orderFunc {
	return func(r *http.Request, o order) (any, error) {
		var body T
		if err := o.decode(&body); err != nil {
			return nil, err
		}
		return nil, do(r, body)
	}
}

// orders are the routes of Control.
func (s *Sim) orders() map[string]orderFunc {
	return map[string]orderFunc{
		"GET /state": func(*http.Request, order) (any, error) {
			return map[string]any{"pools": s.Pools(), "instances": s.Instances(), "workRequests": s.WorkRequests()}, nil
		},
		"GET /calls":      func(*http.Request, order) (any, error) { return s.Calls(), nil },
		"GET /operations": func(*http.Request, order) (any, error) { return Operations(), nil },

		"POST /faults": taking(func(_ *http.Request, o FaultOrder) error { return s.Arm(o) }),
		"DELETE /faults": func(r *http.Request, _ order) (any, error) {
			s.ClearFaults(r.URL.Query().Get("op"))
			return nil, nil
		},
		"PUT /capacity":      taking(s.orderCapacity),
		"PUT /limits":        taking(s.orderLimit),
		"PUT /quotas":        taking(s.orderQuota),
		"POST /launches":     taking(s.orderLaunches),
		"POST /terminations": taking(s.orderTerminations),
		"POST /refusals":     taking(s.orderRefusal),
		"PUT /policy":        taking(s.orderPolicy),

		"POST /instances/{id}/kill": func(r *http.Request, _ order) (any, error) {
			if _, err := s.Instance(r.PathValue("id")); err != nil {
				return nil, err
			}
			s.KillInstance(r.PathValue("id"))
			return nil, nil
		},
		"POST /instances/{id}/preempt": func(r *http.Request, _ order) (any, error) { return nil, s.Preempt(r.PathValue("id")) },
		"PUT /instances/{id}/maintenance": taking(func(r *http.Request, o struct{ Due time.Time }) error {
			return s.ScheduleMaintenance(r.PathValue("id"), o.Due)
		}),
		"PUT /instances/{id}/console": taking(func(r *http.Request, o struct{ Text string }) error { return s.SetConsole(r.PathValue("id"), o.Text) }),
		"POST /pools/{id}/reconcile": func(r *http.Request, _ order) (any, error) {
			w, err := s.Reconcile(r.PathValue("id"))
			return map[string]string{"workRequestId": w}, err
		},
		"POST /images/{id}/retire": func(r *http.Request, _ order) (any, error) { return nil, s.RetireImage(r.PathValue("id")) },
		"PUT /clusters/{id}/version": taking(func(r *http.Request, o struct{ Version string }) error {
			return s.SetClusterVersion(r.PathValue("id"), o.Version)
		}),
	}
}

type capacityOrder struct {
	Shape, AD, FD string
	Hosts         *int
}

func (s *Sim) orderCapacity(_ *http.Request, o capacityOrder) error {
	if o.Hosts == nil || o.AD == "" {
		return errMissing("ad and hosts (-1 is unlimited)")
	}
	if err := s.shapeAndPlace(o.Shape, o.AD, o.FD); err != nil {
		return err
	}
	s.SetCapacityIn(o.Shape, o.AD, o.FD, *o.Hosts)
	return nil
}

type limitOrder struct {
	Shape, Limit, AD string
	Instances, Units *int
}

func (s *Sim) orderLimit(_ *http.Request, o limitOrder) error {
	switch {
	case o.Limit != "" && o.Units != nil && o.AD != "":
		if !knownLimit(o.Limit) {
			return errInvalid("limit %q is not known", o.Limit)
		}
		s.SetCoreLimit(o.Limit, o.AD, *o.Units)
		return nil
	case o.Shape != "" && o.Instances != nil:
		if err := s.shapeAndPlace(o.Shape, o.AD, ""); err != nil {
			return err
		}
		s.SetLimitIn(o.Shape, o.AD, *o.Instances)
		return nil
	}
	return errMissing("shape and instances, or limit, ad and units")
}

type quotaOrder struct {
	Shape     string
	Instances *int
}

func (s *Sim) orderQuota(_ *http.Request, o quotaOrder) error {
	if o.Instances == nil {
		return errMissing("instances (-1 is unlimited)")
	}
	if err := s.shapeAndPlace(o.Shape, "", ""); err != nil {
		return err
	}
	s.SetQuota(o.Shape, *o.Instances)
	return nil
}

type breakOrder struct {
	Pool, Fault string
	Times       int
}

func (s *Sim) orderLaunches(_ *http.Request, o breakOrder) error {
	fault, err := LaunchFaultUnknown, error(nil)
	if o.Times != 0 {
		fault, err = ParseLaunchFault(o.Fault)
	}
	if err := errors.Join(err, s.poolOrAny(o.Pool)); err != nil {
		return err
	}
	s.BreakLaunches(o.Pool, o.Times, fault)
	return nil
}

func (s *Sim) orderTerminations(_ *http.Request, o breakOrder) error {
	if err := s.poolOrAny(o.Pool); err != nil {
		return err
	}
	s.BreakTerminations(o.Pool, o.Times)
	return nil
}

func (s *Sim) orderRefusal(_ *http.Request, o struct {
	Op     string
	Status int
}) error {
	if !knownOperation(o.Op) || (o.Status != 0 && o.Status != http.StatusNotFound && o.Status != http.StatusForbidden) {
		return errInvalid("give an operation, and 404, 403, or 0 to allow it again")
	}
	s.Refuse(o.Op, o.Status)
	return nil
}

func (s *Sim) orderPolicy(_ *http.Request, o struct{ Statements []string }) error {
	if o.Statements == nil {
		s.SetPolicy(nil)
		return nil
	}
	p, err := ParsePolicy(o.Statements...)
	if err != nil {
		return err
	}
	s.SetPolicy(p)
	return nil
}
