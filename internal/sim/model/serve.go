package model

import (
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Request is what of an HTTP request matters here.
type Request struct {
	User, Method, Path  string
	Query               url.Values
	ContentType, Accept string
	Body                []byte
}

// A Response has a Stream instead of a body when it is a watch.
type Response struct {
	Status int
	Body   []byte
	Watch  *Stream
	// Message is a refusal's reason, for people.
	Message string
	// ContentType is what Body and Watch are written in.
	ContentType string
	// RetryAfter in seconds goes into the header of that name; 0 is none.
	RetryAfter int
}

// target is what a path names.
type target struct {
	*shelf
	namespace, name, sub string
}

// Mutating is whether a request may change anything.
func (r *Request) Mutating() bool { return r.Method != http.MethodGet }

// Serve answers a request at once.
func (s *Server) Serve(r *Request) Response {
	if r.Path == "/version" {
		return Response{Status: 200, ContentType: formJSON, Body: []byte(`{"major":"1","minor":"35","gitVersion":"v1.35.0"}`)}
	}
	t, ok := s.resolve(r.Path)
	if !ok {
		return refuse(apierrors.NewGenericServerResponse(404, r.Method, schema.GroupResource{}, r.Path, "no such path", 0, false))
	}
	s.writer, s.via = r.User, r.Method+" "+t.Resource
	if t.sub != "" {
		s.via += "/" + t.sub
	}
	defer func() { s.writer, s.via = "", "" }()
	o, err := s.dispatch(t, r)
	if err != nil {
		return refuse(err)
	}
	return o
}

func (s *Server) dispatch(t target, r *Request) (Response, error) {
	switch {
	case r.Method == http.MethodGet && t.name == "" && r.Query.Get("watch") != "":
		return s.watch(t, r)
	case r.Method == http.MethodGet && t.name == "":
		return s.list(t, r)
	case r.Method == http.MethodGet:
		o, err := s.get(t)
		return t.reply(r, 200, o), err
	case r.Method == http.MethodPost && t.sub == "eviction":
		return s.evict(t, r)
	case r.Method == http.MethodPost && t.sub == "":
		return s.create(t, r)
	case r.Method == http.MethodPut:
		return s.update(t, r)
	case r.Method == http.MethodPatch:
		return s.patch(t, r)
	case r.Method == http.MethodDelete:
		return s.remove(t, r)
	}
	return Response{}, apierrors.NewMethodNotSupported(t.resource(), r.Method)
}

func (t target) resource() schema.GroupResource {
	return schema.GroupResource{Group: t.Group, Resource: t.Resource}
}

// resolve reads /api/v1/... and /apis/group/version/...
func (s *Server) resolve(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group, version string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return target{}, false
	}
	var t target
	if len(parts) > 2 && parts[0] == "namespaces" {
		t.namespace, parts = parts[1], parts[2:]
	}
	t.shelf = s.shelves[parts[0]]
	if t.shelf == nil || t.Group != group || t.Version != version {
		return target{}, false
	}
	if len(parts) > 1 {
		t.name = parts[1]
	}
	if len(parts) > 2 {
		t.sub = parts[2]
	}
	known := t.sub == "" || t.sub == "status" && t.Kind.Status || t.sub == "eviction" && t.Resource == "pods"
	return t, known && len(parts) <= 3
}

// reply is the object, in the form that was asked for.
func (t target) reply(r *Request, status int, o *object) Response {
	switch {
	case o == nil:
		return Response{}
	case t.wants(r):
		return Response{Status: status, Body: envelope(t.GroupVersionKind, o.raw()), ContentType: formBinary}
	}
	return Response{Status: status, Body: o.json(), ContentType: formJSON}
}

// refuse writes an error as the API does.
func refuse(err error) Response {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		status = apierrors.NewInternalError(err)
	}
	v := status.Status()
	v.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	out := Response{Status: int(v.Code), Body: encode(v), Message: v.Message, ContentType: formJSON}
	if v.Details != nil {
		out.RetryAfter = int(v.Details.RetryAfterSeconds)
	}
	return out
}

// Refusal is an answer with this status and nothing done.
func Refusal(status int, message string, retryAfter int) Response {
	return refuse(apierrors.NewGenericServerResponse(status, "", schema.GroupResource{}, "", message, retryAfter, true))
}

func (s *Server) get(t target) (*object, error) {
	o := t.objects[key(t.namespace, t.name)]
	if o == nil {
		return nil, apierrors.NewNotFound(t.resource(), t.name)
	}
	return o, nil
}

// selection is which objects a list or watch is about.
type selection struct {
	namespace string
	labels    labels.Selector
	fields    fields.Selector
}

func selectionOf(t target, q url.Values) (selection, error) {
	sel := selection{namespace: t.namespace}
	var err error
	if sel.labels, err = labels.Parse(q.Get("labelSelector")); err != nil {
		return sel, apierrors.NewBadRequest(err.Error())
	}
	if sel.fields, err = fields.ParseSelector(q.Get("fieldSelector")); err != nil {
		return sel, apierrors.NewBadRequest(err.Error())
	}
	return sel, nil
}

func (sel selection) has(o client.Object) bool {
	if sel.namespace != "" && o.GetNamespace() != sel.namespace || !sel.labels.Matches(labels.Set(o.GetLabels())) {
		return false
	}
	return sel.fields.Empty() || sel.fields.Matches(fieldsOf(o))
}
