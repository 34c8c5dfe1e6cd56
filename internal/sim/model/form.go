package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the API is written in. Published kinds are read as protobuf, as by every
// client that asks for it, which is a fifth of the price; a custom resource has
// nothing but JSON, and what clients send is taken as JSON alone.
const (
	formJSON   = "application/json"
	formBinary = "application/vnd.kubernetes.protobuf"
)

// marshaler is a published kind: Pools are none.
type marshaler interface{ Marshal() ([]byte, error) }

// wants is whether the answer is to be binary.
func (t target) wants(r *Request) bool {
	return t.binary && strings.Contains(r.Accept, formBinary) && !strings.Contains(r.Accept, "as=PartialObjectMetadata")
}

// json is the object in JSON, encoded once for all who read it.
func (o *object) json() []byte {
	if o.text == nil {
		o.text = encode(o.Object)
	}
	return o.text
}

// raw is the object in protobuf, encoded once for all who read it.
func (o *object) raw() []byte {
	if o.wire == nil {
		o.wire = marshal(o.Object.(marshaler))
	}
	return o.wire
}

// says is whether the object is what this one is. What is published is compared in
// protobuf, which leaves nothing out and is encoded for who reads it anyway.
func (o *object) says(other client.Object) bool {
	if m, ok := other.(marshaler); ok {
		return bytes.Equal(o.raw(), marshal(m))
	}
	return equality.Semantic.DeepEqual(o.Object, other)
}

func marshal(m marshaler) []byte {
	b, err := m.Marshal()
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", m, err)) // API types always marshal
	}
	return b
}

// envelope says what the bytes are.
func envelope(kind schema.GroupVersionKind, raw []byte) []byte {
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind}, Raw: raw}
	return append([]byte("k8s\x00"), marshal(&u)...)
}

// listBinary is a list of these: metadata is field 1 of every list, items are field 2.
func listBinary(kind schema.GroupVersionKind, meta metav1.ListMeta, items [][]byte) []byte {
	kind.Kind += "List"
	b := appendField(nil, 1, marshal(&meta))
	for _, i := range items {
		b = appendField(b, 2, i)
	}
	return envelope(kind, b)
}

func appendField(b []byte, number byte, value []byte) []byte {
	b = append(b, number<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// frame is an event of a watch, its length before it.
func frame(event string, object []byte) []byte {
	e := marshal(&metav1.WatchEvent{Type: event, Object: runtime.RawExtension{Raw: object}})
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(e))), e...)
}

func event(kind string, object []byte) []byte {
	return append(append([]byte(`{"type":"`+kind+`","object":`), object...), '}', '\n')
}

// line is an event about an object, in the watch's own form.
func (w *Stream) line(kind string, o *object) []byte {
	if w.binary {
		return frame(kind, envelope(w.kind.GroupVersionKind, o.raw()))
	}
	return event(kind, o.json())
}

// bookmark says how far the watch has come; initial, that this was all there is.
func (w *Stream) bookmark(rv uint64, initial bool) []byte {
	m := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: w.kind.Kind, APIVersion: w.kind.GroupVersion().String()}}
	m.ResourceVersion = fmt.Sprint(rv)
	if initial {
		m.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	if w.binary { // an object of any kind begins with its metadata
		return frame("BOOKMARK", envelope(w.kind.GroupVersionKind, appendField(nil, 1, marshal(&m.ObjectMeta))))
	}
	return event("BOOKMARK", encode(m))
}
