package okesim

import (
	"net/http"
	"slices"
)

type wireWork struct {
	ID            string             `json:"id"`
	Operation     string             `json:"operationType"`
	Status        string             `json:"status"`
	CompartmentID string             `json:"compartmentId"`
	Resources     []wireWorkResource `json:"resources"`
	Accepted      string             `json:"timeAccepted"`
	Started       string             `json:"timeStarted,omitempty"`
	Finished      string             `json:"timeFinished,omitempty"`
}

type wireWorkResource struct {
	Action     string `json:"actionType"`
	EntityType string `json:"entityType"`
	Identifier string `json:"identifier"`
	EntityURI  string `json:"entityUri"`
}

func wireWorkOf(w *workRequest) wireWork {
	action := w.action
	switch w.Status {
	case workAccepted, workInProgress:
		action = "IN_PROGRESS"
	case workFailed:
		action = "FAILED"
	case workCanceling, workCanceled:
		action = "CANCELED_UPDATE"
	}
	resources := []wireWorkResource{
		{action, "nodepool", w.PoolID, "/nodePools/" + w.PoolID},
		{"RELATED", "cluster", w.ClusterID, "/clusters/" + w.ClusterID},
	}
	if w.pool == nil {
		resources = []wireWorkResource{{action, "cluster", w.ClusterID, "/clusters/" + w.ClusterID}}
	}
	return wireWork{ID: w.ID, Operation: w.Operation, Status: w.Status, CompartmentID: w.CompartmentID, Resources: resources,
		Accepted: wireTime(w.Accepted), Started: wireTime(w.Started), Finished: wireTime(w.Finished)}
}

func (s *Sim) serveListWorkRequests(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("status", workAccepted, workInProgress, workFailed, workSucceeded, workCanceling, workCanceled)
	if err != nil {
		return nil, err
	}
	kind, err := c.oneOf("resourceType", "CLUSTER", "NODEPOOL")
	if err != nil {
		return nil, err
	}
	cluster, resource := c.query("clusterId"), c.query("resourceId")
	work := filter(s.work, func(w *workRequest) bool {
		return w.CompartmentID == c.query("compartmentId") && (cluster == "" || w.ClusterID == cluster) &&
			(resource == "" || w.PoolID == resource || w.ClusterID == resource) &&
			(len(states) == 0 || slices.Contains(states, w.Status)) &&
			(len(kind) == 0 || (kind[0] == "NODEPOOL") == (w.pool != nil))
	})
	work, err = sorted(c, work, []string{"TIME_ACCEPTED", "ID", "OPERATION_TYPE", "STATUS", "TIME_STARTED", "TIME_FINISHED"}, map[string]func(a, b *workRequest) int{
		"TIME_ACCEPTED":  func(a, b *workRequest) int { return a.Accepted.Compare(b.Accepted) },
		"TIME_STARTED":   func(a, b *workRequest) int { return a.Started.Compare(b.Started) },
		"TIME_FINISHED":  func(a, b *workRequest) int { return a.Finished.Compare(b.Finished) },
		"ID":             ascending(func(w *workRequest) string { return w.ID }),
		"OPERATION_TYPE": ascending(func(w *workRequest) string { return w.Operation }),
		"STATUS":         ascending(func(w *workRequest) string { return w.Status }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, work, func(w *workRequest) string { return w.ID }, wireWorkOf)
}

func (s *Sim) serveGetWorkRequest(c *call) (*answer, error) {
	w, err := s.findWork(c.PathValue("work"))
	if err != nil {
		return nil, err
	}
	a := ok(wireWorkOf(w)).with("etag", etag(w.ID, len(w.Logs)))
	if w.Finished.IsZero() {
		a.with("retry-after", "1")
	}
	return a, nil
}

func (s *Sim) serveDeleteWorkRequest(c *call) (*answer, error) {
	w, err := s.findWork(c.PathValue("work"))
	if err != nil {
		return nil, err
	}
	if err := matchEtag(c.ifMatch(), etag(w.ID, len(w.Logs))); err != nil {
		return nil, err
	}
	if err := s.cancelWork(w); err != nil {
		return nil, err
	}
	return &answer{status: http.StatusNoContent, header: map[string]string{}}, nil
}

func (s *Sim) serveListWorkRequestErrors(c *call) (*answer, error) {
	w, err := s.workOf(c)
	if err != nil {
		return nil, err
	}
	body := []map[string]string{}
	for _, e := range w.Errors {
		body = append(body, map[string]string{"code": e.Code, "message": e.Message, "timestamp": wireTime(e.At)})
	}
	return ok(body), nil
}

func (s *Sim) serveListWorkRequestLogs(c *call) (*answer, error) {
	w, err := s.workOf(c)
	if err != nil {
		return nil, err
	}
	body := []map[string]string{}
	for _, l := range w.Logs {
		body = append(body, map[string]string{"message": l.Message, "timestamp": wireTime(l.At)})
	}
	return ok(body), nil
}

func (s *Sim) workOf(c *call) (*workRequest, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	return s.findWork(c.PathValue("work"))
}
