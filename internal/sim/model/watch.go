package model

import (
	"encoding/json"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Stream is a watch: a place in the history. Nothing is handed out by itself.
type Stream struct {
	server *Server
	kind   Kind
	sel    selection
	next   int    // sequence number of the next change to look at
	at     uint64 // version of the last one that was handed out
	// initial is what there was at the beginning, for a watcher that asked for it
	// instead of listing: one piece, since it comes in one go.
	initial []byte
	binary  bool // protobuf
}

// watch begins after the version asked for.
func (s *Server) watch(t target, r *Request) (Response, error) {
	sel, err := selectionOf(t, r.Query)
	if err != nil {
		return Response{}, err
	}
	from, begin := s.rv, r.Query.Get("sendInitialEvents") == "true"
	if v := r.Query.Get("resourceVersion"); v != "" && v != "0" {
		if from, err = strconv.ParseUint(v, 10, 64); err != nil {
			return Response{}, apierrors.NewBadRequest("invalid resourceVersion " + v)
		}
	}
	some := r.Query.Get("resourceVersion") // none, or any: what there is comes first
	anew := begin || some == "" || some == "0"
	if anew {
		from = s.rv
	}
	w := &Stream{server: s, kind: t.Kind, sel: sel, next: s.first, at: from, binary: t.wants(r)}
	if from < s.compacted { // said by the watch's first event, which is its last
		w.next--
	}
	for w.next >= s.first && w.next < s.first+len(s.log) && s.log[w.next-s.first].object.rv <= from {
		w.next++
	}
	if anew {
		w.initial = w.present(t, begin)
	}
	form := formJSON
	if w.binary {
		form = formBinary + ";stream=watch"
	}
	return Response{Status: 200, Watch: w, ContentType: form}, nil
}

// present is the list as a watch tells it: everything as ADDED and, where that was
// asked for, a bookmark that says that this was all.
func (w *Stream) present(t target, end bool) []byte {
	var out []byte
	for _, k := range t.names {
		if o := t.objects[k]; w.sel.has(o.Object) {
			out = append(out, w.line("ADDED", o)...)
		}
	}
	if end {
		out = append(out, w.bookmark(w.server.rv, true)...)
	}
	return out
}

// skip moves over what does not concern the watch, and says whether something
// follows that does.
func (w *Stream) skip() bool {
	s := w.server
	for ; w.next < s.first+len(s.log); w.next++ {
		if w.next < s.first { // its place was compacted away
			return true
		}
		c := s.log[w.next-s.first]
		if c.kind == w.kind.Resource && w.sel.has(c.object.Object) {
			return true
		}
	}
	return false
}

// Behind is whether there is something to hand out.
func (w *Stream) Behind() bool { return w.initial != nil || w.next < w.server.first || w.skip() }

// Resource is what is watched.
func (w *Stream) Resource() string { return w.kind.Resource }

// Next hands out the next event as a line of JSON. After the history was
// compacted beyond its place that is an error event, which ends a watch.
func (w *Stream) Next() (line []byte, ended bool) {
	s := w.server
	if line := w.initial; line != nil {
		w.initial = nil
		return line, false
	}
	if w.next < s.first {
		expired := refuse(apierrors.NewResourceExpired("the history was compacted"))
		if w.binary {
			var status metav1.Status
			if err := json.Unmarshal(expired.Body, &status); err != nil {
				panic(err) // it is our own text
			}
			return frame("ERROR", envelope(gvk("", "v1", "Status"), marshal(&status))), true
		}
		return event("ERROR", expired.Body), true
	}
	if !w.skip() {
		return nil, false
	}
	c := s.log[w.next-s.first]
	w.next++
	w.at = c.object.rv
	return w.line(c.event, c.object), false
}

// Bookmark tells the watcher how far it has come without an event.
func (w *Stream) Bookmark() []byte {
	if !w.Behind() {
		w.at = w.server.rv
	}
	return w.bookmark(w.at, false)
}

func fieldsOf(o client.Object) fields.Set {
	set := fields.Set{"metadata.name": o.GetName(), "metadata.namespace": o.GetNamespace()}
	if p, ok := o.(*corev1.Pod); ok {
		set["spec.nodeName"] = p.Spec.NodeName
		set["status.phase"] = string(p.Status.Phase)
	}
	return set
}
