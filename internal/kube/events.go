package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/tidemill/tidemill/internal/plain"
)

// The API server refuses events beyond these, in bytes: an event that nobody
// gets for its length is worse than one whose end is missing.
const (
	maxNote   = 1024
	maxReason = 128
)

// PlainEvents passes events on to r with their text made plain and no longer than
// the API server takes: names of nodes and pods, messages of the cloud and lines
// of a host's files are in them, and kubectl prints them as they are.
func PlainEvents(r events.EventRecorder) events.EventRecorder { return plainEvents{r} }

type plainEvents struct{ next events.EventRecorder }

// Eventf implements events.EventRecorder.
func (e plainEvents) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	e.next.Eventf(regarding, related, kind, plain.Cut(reason, maxReason), plain.Cut(action, maxReason), "%s", plain.Cut(fmt.Sprintf(note, args...), maxNote))
}
