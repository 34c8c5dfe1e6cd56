package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/plain"
)

// Finding is what one check says about one patient.
type Finding struct {
	// Check, Node and Limit are filled by the Runner, and Remedy unless the check
	// knows a better one. Node is the Node's name, the instance's ID before it
	// registered, or the host's name.
	Check string `json:"check"`
	Node  string `json:"node"`
	State State  `json:"state"`
	// Reason is a CamelCase word that programs may compare; never empty unless
	// the check passed.
	Reason string `json:"reason,omitempty"`
	// Observed is the measured value with its unit; Limit what it was held
	// against. Observed may differ from look to look.
	Observed string `json:"observed,omitempty"`
	Limit    string `json:"limit,omitempty"`
	// Message is one sentence for people. It stays the same while the state
	// does (a time of day instead of an age), since it is written to the API.
	Message string `json:"message,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// Since is when the failure began as the cluster dates it; zero when the
	// cluster does not tell. Repair acts only on what is dated: a restarted
	// daemon then knows as much as before.
	Since time.Time `json:"since,omitzero"`
	// Unconfirmed is set on a failure that has not stood for Check.Confirm yet
	// and is reported as a warning.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// New says since when this is news, if it is: the last look that was kept, or
	// the node's change of release.
	New string `json:"new,omitempty"`
	// Counts are the counters that the check read, for the next run to compare
	// with: "nic-errors/eth0".
	Counts map[string]uint64 `json:"counts,omitempty"`
}

// Reasons that more than one check gives.
const (
	// ReasonJoining: the node is in the grace of its first boot.
	ReasonJoining = "Joining"
	// ReasonLeaving: the node is being deleted.
	ReasonLeaving = "Leaving"
	// ReasonNotReady: the question makes no sense while the node is not Ready.
	ReasonNotReady = "NotReady"
	// ReasonNotApplicable: the check is not for this kind of patient.
	ReasonNotApplicable = "NotApplicable"
	// ReasonTimedOut: the check did not come back in time.
	ReasonTimedOut = "TimedOut"
	// ReasonHanging: the check was not called, since earlier calls still hang.
	ReasonHanging = "Hanging"
	// ReasonPanicked: the check has a bug; the message has the panic.
	ReasonPanicked = "Panicked"
	// ReasonNotPermitted: reading was refused.
	ReasonNotPermitted = "NotPermitted"
	// ReasonNotFound: what should be read is not there.
	ReasonNotFound = "NotFound"
	// ReasonUnreadable: it was read and makes no sense.
	ReasonUnreadable = "Unreadable"
	// ReasonHostReport: the agent on the host says so, see hostreport.go.
	ReasonHostReport = "HostReport"
	// ReasonCloudUnreachable: the cloud does not answer.
	ReasonCloudUnreachable = "CloudUnreachable"
)

func pass(observed string) Finding { return Finding{State: Pass, Observed: observed} }

func unknown(reason, message string) Finding {
	return Finding{State: Unknown, Reason: reason, Message: message}
}

// maxText is the longest text that a finding takes from what it examined.
const maxText = 1024

// clean makes a text harmless that may come from a file on a sick host: no
// escape sequences for a terminal, no line breaks, no megabytes.
func clean(text string) string { return plain.Cut(text, maxText) }

func skip(reason, message string) Finding {
	return Finding{State: Skip, Reason: reason, Message: message}
}

// unreadable says why a file, or the answer of a system call, was no use.
func unreadable(what string, err error) Finding {
	reason := ReasonUnreadable
	switch {
	case errors.Is(err, fs.ErrPermission):
		reason = ReasonNotPermitted
	case errors.Is(err, fs.ErrNotExist):
		reason = ReasonNotFound
	}
	return unknown(reason, fmt.Sprintf("read %s: %v", what, err))
}

// judge holds a value against limits that are crossed upwards.
func judge(l Limits, value float64) State {
	switch {
	case l.Fail > 0 && value >= l.Fail:
		return Fail
	case l.Warn > 0 && value >= l.Warn:
		return Warn
	}
	return Pass
}

// describe writes limits as "warn 85%, fail 95%".
func (l Limits) describe(unit string) string {
	var parts []string
	if l.Warn > 0 {
		parts = append(parts, "warn "+quantity(l.Warn, unit))
	}
	if l.Fail > 0 {
		parts = append(parts, "fail "+quantity(l.Fail, unit))
	}
	return strings.Join(parts, ", ")
}

// quantity is a number with its unit; words stand apart, symbols do not.
func quantity(v float64, unit string) string {
	n := strconv.FormatFloat(v, 'f', -1, 64)
	switch {
	case len(unit) <= 2:
		return n + unit
	case v == 1:
		return n + " " + strings.TrimSuffix(unit, "s")
	}
	return n + " " + unit
}

// clock writes a time so that it reads the same at every look.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
