package kube

import (
	"fmt"
	"strings"
	"time"
)

// RepairRequest is what the doctor asks of the executor, as the value of a
// Node's annotation v1alpha1.AnnotationCycle:
//
//	doctor/<action>/<check>/<since>
//	doctor/reboot/ready/2026-03-01T11:49:00Z
//
// A value that begins with [RepairPrefix] and does not follow the grammar asks
// for nothing: who cannot say what is to be done to a machine gets nothing done
// to it. The executor answers a request by taking the annotation away once the
// action is done, or given up; the doctor looks at what has become of the node
// and asks for the next stronger action if that did not help. Only the doctor's
// own record (v1alpha1.AnnotationRepairs) counts attempts, so the executor need
// not remember any; it leaves there, in the same write, how the last one has ended.
type RepairRequest struct {
	Action RepairAction
	// Check is the ID of the check whose failure asks: kebab-case.
	Check string
	// Since is when the node was condemned, in whole seconds UTC: the same failure
	// and action always give the same value, and a new failure a new request.
	Since time.Time
}

// RepairPrefix begins the value of every request of the doctor's.
const RepairPrefix = "doctor/"

// RepairAction is what is done to a machine, weakest first.
type RepairAction string

const (
	// RepairReboot: empty the node, restart its machine, give the node back when
	// it has come back well. Nothing is lost that a reboot keeps.
	RepairReboot RepairAction = "reboot"
	// RepairReplaceBootVolume: empty the node and give the same machine a new boot
	// volume of the pool's image.
	RepairReplaceBootVolume RepairAction = "replace-boot-volume"
	// RepairReplace: empty the node, delete its machine; the pool makes another.
	RepairReplace RepairAction = "replace"
)

// RepairActions are all actions, weakest first: the order of escalation.
func RepairActions() []RepairAction {
	return []RepairAction{RepairReboot, RepairReplaceBootVolume, RepairReplace}
}

// Destructive is whether the machine, or what its boot volume holds, is lost.
func (a RepairAction) Destructive() bool { return a != RepairReboot }

// String is the annotation's value.
func (r RepairRequest) String() string {
	return RepairPrefix + string(r.Action) + "/" + r.Check + "/" + r.Since.UTC().Format(time.RFC3339)
}

// ParseRepairRequest reads an annotation's value. asked is whether the doctor
// wrote it, told by the prefix; err is why a request of the doctor's cannot be
// read, and such a request must not be carried out.
func ParseRepairRequest(value string) (r RepairRequest, asked bool, err error) {
	rest, asked := strings.CutPrefix(value, RepairPrefix)
	if !asked {
		return RepairRequest{}, false, nil
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[1] == "" {
		return RepairRequest{}, true, fmt.Errorf("read repair request %q: want %s<action>/<check>/<since>", value, RepairPrefix)
	}
	for _, a := range RepairActions() {
		if string(a) == parts[0] {
			r.Action = a
		}
	}
	if r.Action == "" {
		return RepairRequest{}, true, fmt.Errorf("read repair request %q: action %q is none of %v", value, parts[0], RepairActions())
	}
	if r.Since, err = time.Parse(time.RFC3339, parts[2]); err != nil {
		return RepairRequest{}, true, fmt.Errorf("read repair request %q: %w", value, err)
	}
	r.Check = parts[1]
	return r, true, nil
}
