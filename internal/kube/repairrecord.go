package kube

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// RepairRecord is what the doctor has asked for on one machine, oldest first. It
// is kept in the Node's annotation v1alpha1.AnnotationRepairs, written in the
// same patch as the request: no restart can lose an attempt, and no attempt is
// counted that was not asked for.
type RepairRecord []RepairAttempt

// RepairAttempt is one action that was asked for.
type RepairAttempt struct {
	Action RepairAction `json:"action"`
	Check  string       `json:"check"`
	At     time.Time    `json:"at"`
	// Answer is how the executor has ended the action, in its own word, written with
	// the write that takes the request off; "" before.
	Answer string `json:"answer,omitempty"`
	// Done is when the doctor saw that the request was off; nil before. Void is
	// whether it went without an answer: somebody else has taken it off before
	// anything was done, and that is no attempt.
	Done *time.Time `json:"done,omitempty"`
	Void bool       `json:"void,omitempty"`
}

// Last is the newest attempt, nil if there is none.
func (r RepairRecord) Last() *RepairAttempt {
	if len(r) == 0 {
		return nil
	}
	return &r[len(r)-1]
}

// Open is the attempt that was asked for and is not noted as ended, nil if there is
// none.
func (r RepairRecord) Open() *RepairAttempt {
	if a := r.Last(); a != nil && a.Done == nil {
		return a
	}
	return nil
}

// Counted is the record without the attempts that were none.
func (r RepairRecord) Counted() RepairRecord {
	return slices.DeleteFunc(slices.Clone(r), func(a RepairAttempt) bool { return a.Void })
}

// AnswerRepair writes on n in memory how the executor has ended what the doctor asked
// for last; word says it in a word. A record that cannot be read stays as it is.
func AnswerRepair(n *corev1.Node, word string) {
	record, err := RepairRecordOf(n)
	if open := record.Open(); err == nil && open != nil {
		open.Answer = word
		SetRepairRecord(n, record)
	}
}

// Since is the record without the attempts that have ended and were made before
// a time: what nobody counts any more. One that has not ended stays, since
// somebody still has to answer it.
func (r RepairRecord) Since(t time.Time) RepairRecord {
	return slices.DeleteFunc(slices.Clone(r), func(a RepairAttempt) bool { return a.Done != nil && a.At.Before(t) })
}

// maxAttempts bounds the record: more than a day's limit says no more.
const maxAttempts = 8

// RepairRecordOf reads a node's record; nil if there is none. A record that
// cannot be read is an error: nobody knows what was tried, so nothing more is.
func RepairRecordOf(n *corev1.Node) (RepairRecord, error) {
	text, ok := n.Annotations[v1alpha1.AnnotationRepairs]
	if !ok {
		return nil, nil
	}
	var r RepairRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("read annotation %s of node %s: %w", v1alpha1.AnnotationRepairs, n.Name, err)
	}
	return r, nil
}

// SetRepairRecord writes r on n in memory, the newest attempts of it; an empty
// record takes the annotation away.
func SetRepairRecord(n *corev1.Node, r RepairRecord) {
	if len(r) == 0 {
		delete(n.Annotations, v1alpha1.AnnotationRepairs)
		return
	}
	text, err := json.Marshal(r[max(len(r)-maxAttempts, 0):])
	if err != nil {
		panic(err) // strings and times always marshal
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[v1alpha1.AnnotationRepairs] = string(text)
}
