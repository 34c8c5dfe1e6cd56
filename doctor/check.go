package doctor

import (
	"context"
	"strings"
	"time"
)

// Check is one thing that is looked at. It is a value: nothing in it changes.
type Check struct {
	// ID names the check everywhere: kebab-case, never reused.
	ID string
	// Title is one line for people: what is looked at.
	Title string
	// Unit is the unit of the limits and of what is observed ("s", "%", "pods");
	// "" for yes or no.
	Unit   string
	Limits Limits
	// Evidence says what kind of observation a failure rests on.
	Evidence Evidence
	// Remedy is what a person can do about it, one sentence.
	Remedy string
	// Action is the strongest thing that repair may do about a failure; First the
	// weakest that can help, ActionNone meaning the weakest there is.
	Action, First Action
	// ByVerdict is whether repair takes the date of the verdict on the Node, where it
	// stands for this check, for that of a failure which the cluster does not date.
	ByVerdict bool
	// Confirm is how long a failure must have stood before it counts; until then
	// it warns.
	Confirm time.Duration
	// Patience is the check's own time-out, for one that must take longer than
	// others; zero means the Runner's.
	Patience time.Duration
	// Gate is whether a node stays unexamined while this check is Unknown on it.
	// Only what can always be seen may be a gate: else one missing permission
	// would keep every new node out.
	Gate bool
	// Shared is whether what fails is what the nodes of a pool have in common, and no
	// node of it is broken: it is reported, and counts neither for a verdict nor for
	// repair and its brakes.
	Shared bool
	// Leaving is whether the check looks at nodes on their way out too, where most
	// of what others see is expected.
	Leaving bool
	// Swift is whether Run only thinks about what the patient brings and waits for
	// nobody: no file, no program, no answer.
	Swift bool
	// Reads are the resources that it reads beside the Node and the cloud's
	// machines: where one could not be read, the check is Unknown.
	Reads []Source
	// Applies is whether the check has anything to say about the patient, and if
	// not, why; nil means always.
	Applies func(Patient) (applies bool, why string)
	// Run looks. It fills State, Reason, Observed, Message and Since of the
	// Finding, reads only the patient, and returns early when ctx ends.
	Run func(ctx context.Context, p Patient) Finding
}

// Limits are the thresholds of a check in its unit; zero means that there is no
// such threshold.
type Limits struct {
	Warn, Fail float64
	// Source is where the numbers come from.
	Source string
}

// Evidence is the kind of observation that a failure rests on.
type Evidence int

const (
	// EvidenceUnknown is not stated.
	EvidenceUnknown Evidence = iota
	// EvidenceLevel is a state that is measured anew at every look.
	EvidenceLevel
	// EvidenceCounter compares looks, and needs memory that can be lost. It never
	// carries a repair.
	EvidenceCounter
	// EvidenceLog is a line that somebody wrote once. It never carries a repair:
	// what it tells of may have healed, and some logs can be forged.
	EvidenceLog
)

// String gives the evidence's name.
func (e Evidence) String() string {
	switch e {
	case EvidenceLevel:
		return "level"
	case EvidenceCounter:
		return "counter"
	case EvidenceLog:
		return "log"
	}
	return "unknown"
}

// Action is what repair may do about a failure; a larger one is stronger.
type Action int

const (
	// ActionNone: it is reported, a person decides.
	ActionNone Action = iota
	// ActionReboot: the machine may be restarted.
	ActionReboot
	// ActionReplaceBootVolume: it may get a new boot volume.
	ActionReplaceBootVolume
	// ActionReplace: a replacement of the node may be asked for.
	ActionReplace
)

var actionWords = [...]string{"none", "reboot", "replace-boot-volume", "replace"}

// String gives the action's name.
func (a Action) String() string {
	if a < 0 || int(a) >= len(actionWords) {
		return "none"
	}
	return actionWords[a]
}

// Camel is a check's ID as a condition's reason: "image-pulls" is ImagePulls.
func Camel(id string) string {
	var b strings.Builder
	for _, word := range strings.Split(id, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
