package model

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Server is the store and its history. It is not safe for concurrent use.
type Server struct {
	scheme  *runtime.Scheme
	shelves map[string]*shelf // by resource
	byType  map[reflect.Type]*shelf
	rv      uint64
	uids    int
	// log is the history; a Stream remembers its place in it. What is older than
	// compacted cannot be watched from any more.
	log       []change
	first     int // sequence number of log[0]
	compacted uint64
	// pages are the rests of lists that were cut, from the token firstPage on.
	pages     []page
	firstPage int
	// OnCommit, if set, is told of each write: old or next is nil at birth and death.
	OnCommit func(Commit)
	// Skew is how far ahead of everybody else's the server's clock is.
	Skew   time.Duration
	truths map[types.UID]truth
	writer string // who makes the present write
	via    string // by what kind of request
}

// Commit is one write that happened.
type Commit struct {
	Writer    string // user of the request, "" for the owner of the Server
	Verb      string // "PATCH nodes", "POST pods/eviction"; "" for the owner's
	Old, Next client.Object
}

// change is an entry of the history.
type change struct {
	kind   string // resource
	event  string // ADDED, MODIFIED, DELETED
	object *object
}

// New makes an empty server. crd is the manifest of the Pool resource.
func New(scheme *runtime.Scheme, crd []byte) (*Server, error) {
	s := &Server{scheme: scheme, shelves: map[string]*shelf{}, byType: map[reflect.Type]*shelf{}, truths: map[types.UID]truth{}, rv: 1}
	for _, k := range Kinds {
		o, err := s.newObject(k)
		if err != nil {
			return nil, err
		}
		_, published := o.(marshaler)
		s.shelves[k.Resource] = &shelf{Kind: k, objects: map[string]*object{}, binary: published}
	}
	return s, s.manage(crd)
}

func key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func (s *Server) shelfOf(o client.Object) *shelf {
	if sh := s.byType[reflect.TypeOf(o)]; sh != nil {
		return sh
	}
	for _, k := range Kinds {
		if gvks, _, err := s.scheme.ObjectKinds(o); err == nil && slices.Contains(gvks, k.GroupVersionKind) {
			s.byType[reflect.TypeOf(o)] = s.shelves[k.Resource]
			return s.shelves[k.Resource]
		}
	}
	panic(fmt.Sprintf("the server keeps no %T", o)) // the owner's mistake
}

// commit makes o the present version. old is nil at birth.
func (s *Server) commit(sh *shelf, old *object, o client.Object) *object {
	s.rv++
	o.GetObjectKind().SetGroupVersionKind(sh.GroupVersionKind)
	o.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	next := &object{Object: o, rv: s.rv}
	k := key(o.GetNamespace(), o.GetName())
	event := "MODIFIED"
	if old == nil {
		event = "ADDED"
		i, _ := slices.BinarySearch(sh.names, k)
		sh.names = slices.Insert(sh.names, i, k)
	}
	sh.objects[k] = next
	s.log = append(s.log, change{kind: sh.Resource, event: event, object: next})
	s.tell(old, o)
	return next
}

// drop ends an object's life, and returns the last of it.
func (s *Server) drop(sh *shelf, old *object) *object {
	s.rv++
	last := old.DeepCopyObject().(client.Object)
	last.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	k := key(last.GetNamespace(), last.GetName())
	delete(sh.objects, k)
	if i, found := slices.BinarySearch(sh.names, k); found {
		sh.names = slices.Delete(sh.names, i, i+1)
	}
	end := &object{Object: last, rv: s.rv}
	s.log = append(s.log, change{kind: sh.Resource, event: "DELETED", object: end})
	s.tell(old, nil)
	return end
}

func (s *Server) tell(old *object, next client.Object) {
	if s.OnCommit == nil {
		return
	}
	c := Commit{Writer: s.writer, Verb: s.via, Next: next}
	if old != nil {
		c.Old = old.Object
	}
	s.OnCommit(c)
}

func encode(o any) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", o, err)) // API types always marshal
	}
	return text
}

// birth fills in what the server decides.
func (s *Server) birth(sh *shelf, o client.Object) {
	s.uids++
	o.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", s.uids)))
	o.SetCreationTimestamp(s.stamp(0))
	s.noteBirth(o.GetUID())
	o.SetGeneration(0)
	if sh.Counts {
		o.SetGeneration(1)
	}
}

// Create, Update, Delete, Get and List are the owner's own hands: no checks, no
// faults, the present truth.

// Create adds an object; one of that name must not exist.
func (s *Server) Create(o client.Object) {
	sh := s.shelfOf(o)
	if sh.objects[key(o.GetNamespace(), o.GetName())] != nil {
		panic("there is already a " + sh.Kind.Kind + " " + o.GetName())
	}
	s.birth(sh, o)
	s.commit(sh, nil, o)
}

// Edit changes the present version of an object, its status too. It does nothing
// if the object is gone or change leaves it as it was, and says whether it did.
func (s *Server) Edit(o client.Object, change func(client.Object)) bool {
	sh := s.shelfOf(o)
	old := sh.objects[key(o.GetNamespace(), o.GetName())]
	if old == nil {
		return false
	}
	next := old.DeepCopyObject().(client.Object)
	change(next)
	if old.says(next) {
		return false
	}
	if sh.Counts && specChanged(old.Object, next) {
		next.SetGeneration(old.GetGeneration() + 1)
	}
	s.commit(sh, old, next)
	return true
}

// Remove takes an object away at once.
func (s *Server) Remove(o client.Object) {
	sh := s.shelfOf(o)
	if old := sh.objects[key(o.GetNamespace(), o.GetName())]; old != nil {
		s.drop(sh, old)
	}
}

// Each calls f for every object of a resource in order of their names. The
// objects must not be changed.
func (s *Server) Each(resource string, f func(client.Object)) {
	sh := s.shelves[resource]
	for _, k := range slices.Clone(sh.names) {
		if o := sh.objects[k]; o != nil {
			f(o.Object)
		}
	}
}

// Find is the present version of an object, nil if there is none.
func (s *Server) Find(resource, namespace, name string) client.Object {
	if o := s.shelves[resource].objects[key(namespace, name)]; o != nil {
		return o.Object
	}
	return nil
}

// Compact forgets the history: whoever watches from before gets 410.
func (s *Server) Compact() {
	s.first += len(s.log)
	s.log = nil
	s.compacted = s.rv
	s.firstPage += len(s.pages)
	s.pages = nil
}

func specChanged(old, next client.Object) bool {
	a, b := part(old, "Spec"), part(next, "Spec")
	return a.IsValid() && !equality.Semantic.DeepEqual(a.Interface(), b.Interface())
}
