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
	// Done is when the doctor saw that the executor had ended the action, whether
	// it was carried out or given up; nil before.
	Done *time.Time `json:"done,omitempty"`
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
