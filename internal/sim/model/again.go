package model

import (
	"bytes"
	"sort"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Who applies mostly applies the fields that he applied last, with other values, and
// nobody else has any of them. Then nothing is taken back and nothing is taken from
// anybody: what there is and what is applied are merged, and of the book nothing
// changes but a time. The field managers come to the same in three times as long, for
// they look for what there might be to prune. Whatever is not as plain as that is left
// to them.

// fold is what the field managers of a resource, or of its status, go by.
type fold struct {
	*managedfields.FieldManager
	types  managedfields.TypeConverter
	resets fieldpath.Filter
}

// unowned is what nobody owns: the server sets it, or it says what the object is.
var unowned = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"), fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"), fieldpath.MakePathOrDie("metadata", "namespace"), fieldpath.MakePathOrDie("metadata", "creationTimestamp"),
	fieldpath.MakePathOrDie("metadata", "selfLink"), fieldpath.MakePathOrDie("metadata", "uid"), fieldpath.MakePathOrDie("metadata", "clusterName"),
	fieldpath.MakePathOrDie("metadata", "generation"), fieldpath.MakePathOrDie("metadata", "managedFields"), fieldpath.MakePathOrDie("metadata", "resourceVersion"))

// again is the merge of an apply that only says anew what its manager has said before;
// nil if it is another one. It is live itself if everything is as it says.
func (t target) again(f *fold, live *sapling, u *unstructured.Unstructured, manager string) *sapling {
	mine := t.page(live.ManagedFields, manager)
	if mine < 0 || manager == "kubectl" || u.GroupVersionKind() != t.GroupVersionKind || u.GetManagedFields() != nil {
		return nil
	}
	says, err := f.types.ObjectToTyped(u)
	if err != nil {
		return nil
	}
	all, err := says.ToFieldSet()
	if err != nil || !same(f.resets.Filter(all).Difference(unowned), live.ManagedFields[mine]) {
		return nil
	}
	stands, err := f.types.ObjectToTyped(live, typed.AllowDuplicates)
	if err != nil {
		return nil
	}
	merged, err := stands.Merge(says)
	if err != nil || !alone(live.ManagedFields, mine, all, stands, merged) {
		return nil
	}
	if value.Equals(stands.AsValue(), merged.AsValue()) {
		return live
	}
	o, err := f.types.TypedToObject(merged)
	if err != nil {
		return nil
	}
	next := o.(*sapling)
	next.ManagedFields = append([]metav1.ManagedFieldsEntry(nil), live.ManagedFields...)
	next.ManagedFields[mine].Time = &metav1.Time{Time: time.Now().UTC()}
	inOrder(next.ManagedFields)
	return next
}

// page is where in the book it stands what the manager has applied by this path; -1 if
// nowhere, or if the book is not as the managers keep it.
func (t target) page(book []metav1.ManagedFieldsEntry, manager string) int {
	at := -1
	for i, e := range book {
		if e.FieldsType != "FieldsV1" || e.FieldsV1 == nil || e.APIVersion != t.GroupVersion().String() || e.Operation != metav1.ManagedFieldsOperationApply && e.Operation != metav1.ManagedFieldsOperationUpdate {
			return -1
		}
		for _, o := range book[:i] {
			if o.Manager == e.Manager && o.Operation == e.Operation && o.Subresource == e.Subresource {
				return -1
			}
		}
		if e.Manager == manager && e.Subresource == t.sub && e.Operation == metav1.ManagedFieldsOperationApply {
			at = i
		}
	}
	return at
}

func same(set *fieldpath.Set, e metav1.ManagedFieldsEntry) bool {
	text, err := set.ToJSON()
	return err == nil && !set.Empty() && bytes.Equal(text, e.FieldsV1.GetRawBytes())
}

// alone is whether nobody else loses anything: nobody has one of the fields, or none
// of those that he has changes.
func alone(book []metav1.ManagedFieldsEntry, mine int, all *fieldpath.Set, stands, merged *typed.TypedValue) bool {
	var changes *fieldpath.Set
	for i, e := range book {
		if i == mine {
			continue
		}
		has := read(e.FieldsV1.GetRawBytes())
		if has == nil || has.Empty() {
			return false
		}
		if has.Intersection(all).Empty() {
			continue
		}
		if changes == nil {
			c, err := stands.Compare(merged)
			if err != nil || !c.Removed.Empty() {
				return false
			}
			changes = c.Modified.Union(c.Added)
		}
		if !has.Intersection(changes).Empty() {
			return false
		}
	}
	return true
}

// readSets are the sets by their text; there are as many as shapes of objects, and
// they are forgotten together when they are many.
var readSets struct {
	sync.Mutex
	by map[string]*fieldpath.Set
}

// read is the set that the text means, nil if the managers would not have written it
// so.
func read(text []byte) *fieldpath.Set {
	readSets.Lock()
	defer readSets.Unlock()
	if s, ok := readSets.by[string(text)]; ok {
		return s
	}
	s := &fieldpath.Set{}
	if err := s.FromJSON(bytes.NewReader(text)); err != nil {
		s = nil
	} else if again, err := s.ToJSON(); err != nil || !bytes.Equal(text, again) {
		s = nil
	}
	if readSets.by == nil || len(readSets.by) >= 4096 {
		readSets.by = map[string]*fieldpath.Set{}
	}
	readSets.by[string(text)] = s
	return s
}

// inOrder sorts a book as the managers do: who applies first, then by age.
func inOrder(book []metav1.ManagedFieldsEntry) {
	seconds := func(e *metav1.ManagedFieldsEntry) int64 {
		if e.Time == nil {
			return 0
		}
		return e.Time.Unix()
	}
	sort.Slice(book, func(i, j int) bool {
		p, q := &book[i], &book[j]
		switch {
		case p.Operation != q.Operation:
			return p.Operation < q.Operation
		case seconds(p) != seconds(q):
			return seconds(p) < seconds(q)
		case p.Manager != q.Manager:
			return p.Manager < q.Manager
		}
		return p.Subresource < q.Subresource
	})
}
