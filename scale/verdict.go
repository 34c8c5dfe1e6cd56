package scale

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Verdict is what the look found for one pending pod.
type Verdict struct {
	Pod  string `json:"pod"`
	Help Help   `json:"help"`
	// Where is the node's or the pool's name that helps.
	Where string `json:"where,omitempty"`
	// Reason and Message say why the pod is not helped, Pools why by no pool.
	Reason  Reason       `json:"reason,omitempty"`
	Message string       `json:"message,omitempty"`
	Pools   []PoolReason `json:"pools,omitempty"`

	pod *corev1.Pod
}

// PoolReason is why one pool does not help a pod.
type PoolReason struct {
	Pool    string `json:"pool"`
	Reason  Reason `json:"reason"`
	Message string `json:"message,omitempty"`
}

// Help is what helps a pod.
type Help int

const (
	// HelpUnknown: not decided.
	HelpUnknown Help = iota
	// HelpNone: nothing does.
	HelpNone
	// HelpExisting: a node there is; the scheduler will get to it.
	HelpExisting
	// HelpJoining: a node that is on its way.
	HelpJoining
	// HelpKept: a node that was about to leave.
	HelpKept
	// HelpGrowth: a node that this plan adds.
	HelpGrowth
)

var helpNames = [...]string{"Unknown", "None", "ExistingNode", "JoiningNode", "KeptNode", "Growth"}

// String gives the name.
func (h Help) String() string {
	if h < 0 || int(h) >= len(helpNames) {
		return "Unknown"
	}
	return helpNames[h]
}

// MarshalText is String, so that JSON reads well.
func (h Help) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote; other words are HelpUnknown.
func (h *Help) UnmarshalText(text []byte) error {
	*h = HelpUnknown
	for i, name := range helpNames {
		if name == string(text) {
			*h = Help(i)
		}
	}
	return nil
}

// PoolVerdict is whether a pool can grow, and its record.
type PoolVerdict struct {
	Pool string `json:"pool"`
	// Reason is why the pool cannot grow now, "" when it can.
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Scale is what the Pool's status.scale is to be, nil when nothing is to be
	// remembered.
	Scale *v1alpha1.ScaleStatus `json:"scale,omitempty"`

	pool     *world.Pool
	recorded bool // written in this look
}

// NodeVerdict is why a node stays.
type NodeVerdict struct {
	Node    string `json:"node"`
	Pool    string `json:"pool"`
	Reason  Reason `json:"reason"`
	Message string `json:"message,omitempty"`

	node *world.Node
}
