package model

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A page is what is left of a list that was cut: the objects as they were when its
// first part was answered.
type page struct {
	rv   uint64
	rest []*object
}

// list answers the present truth, whatever version was asked for, or the next part
// of what was the truth when the list was begun.
func (s *Server) list(t target, r *Request) (Response, error) {
	sel, err := selectionOf(t, r.Query)
	if err != nil {
		return Response{}, err
	}
	p, err := s.begun(r.Query.Get("continue"))
	if err != nil {
		return Response{}, err
	}
	if p == nil {
		p = &page{rv: s.rv}
		for _, k := range t.names {
			if o := t.objects[k]; sel.has(o.Object) {
				p.rest = append(p.rest, o)
			}
		}
	}
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(p.rv, 10)}
	found := p.rest
	n, err := strconv.Atoi(r.Query.Get("limit"))
	if err == nil && n > 0 && n < len(found) && r.Query.Get("resourceVersion") != "0" { // a cache answers whole
		meta.Continue = s.later(page{p.rv, found[n:]})
		found = found[:n]
	}
	return t.listing(r, meta, found), nil
}

// later keeps the rest of a list, and returns the token for it.
func (s *Server) later(p page) string {
	s.pages = append(s.pages, p)
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, int64(s.firstPage+len(s.pages)-1), 10))
}

// begun is the list of a token, nil for none.
func (s *Server) begun(token string) (*page, error) {
	if token == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	n, err2 := strconv.Atoi(string(text))
	if err != nil || err2 != nil || n >= s.firstPage+len(s.pages) {
		return nil, apierrors.NewBadRequest("continue key is not valid")
	}
	if n < s.firstPage {
		return nil, apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result.")
	}
	p := s.pages[n-s.firstPage]
	return &p, nil
}

// listing writes a list in the form that was asked for.
func (t target) listing(r *Request, meta metav1.ListMeta, found []*object) Response {
	if t.wants(r) {
		items := make([][]byte, len(found))
		for i, o := range found {
			items[i] = o.raw()
		}
		return Response{Status: 200, Body: listBinary(t.GroupVersionKind, meta, items), ContentType: formBinary}
	}
	kind, version := t.Kind.Kind+"List", t.GroupVersion().String()
	partial := strings.Contains(r.Accept, "as=PartialObjectMetadataList")
	if partial {
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	items := make([][]byte, len(found))
	for i, o := range found {
		items[i] = o.body(partial)
	}
	var b bytes.Buffer
	b.WriteString(`{"kind":"` + kind + `","apiVersion":"` + version + `","metadata":`)
	b.Write(encode(meta))
	b.WriteString(`,"items":[`)
	b.Write(bytes.Join(items, []byte(",")))
	b.WriteString("]}")
	return Response{Status: 200, Body: b.Bytes(), ContentType: formJSON}
}

// body is the object's JSON, or its metadata alone, encoded once for all who read it.
func (o *object) body(partial bool) []byte {
	if !partial {
		return o.json()
	}
	if o.meta == nil {
		m := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}}
		m.ObjectMeta = *o.Object.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
		o.meta = encode(m)
	}
	return o.meta
}
