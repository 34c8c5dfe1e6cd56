package kube_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
)

// heard keeps the last event.
type heard struct{ reason, action, note string }

func (h *heard) Eventf(_, _ runtime.Object, _, reason, action, note string, args ...any) {
	h.reason, h.action = reason, action
	if note != "%s" || len(args) != 1 {
		note = "a format of somebody else's: " + note
	} else {
		note = args[0].(string)
	}
	h.note = note
}

// harmless wants text that kubectl may print and the API server takes.
func harmless(t rapid.TB, what, text string, limit int) {
	if len(text) > limit || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !plain.Printable(r) }) {
		t.Errorf("%s: %d bytes of %d: %.200q", what, len(text), limit, text)
	}
}

func hostile(t *rapid.T) string {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x1b]0;x\x07", "%s%d%n", "\u202e", "\xff", "a\nb", strings.Repeat("\u009b", 5000)})).Draw(t, "text")
}

// Whatever is told, an event is one line of printable characters that the API
// server takes, and a % in a name is a %.
func TestEventsArePlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heard
		text := hostile(t)
		kube.PlainEvents(&h).Eventf(&corev1.Node{}, nil, corev1.EventTypeNormal, text, text, "%s", text)
		harmless(t, "reason", h.reason, 128)
		harmless(t, "action", h.action, 128)
		harmless(t, "note", h.note, 1024)
	})
	var h heard
	kube.PlainEvents(&h).Eventf(&corev1.Node{}, nil, corev1.EventTypeNormal, "Drained", "Drain", "%d%% of %s", 50, "n1%s")
	if h.note != "50% of n1%s" {
		t.Errorf("note %q", h.note)
	}
}

// So are conditions and marks; and the same text gives the same condition, or
// each look would write it again.
func TestConditionsArePlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := hostile(t)
		c := kube.Condition(&v1alpha1.Pool{}, v1alpha1.ConditionReady, metav1.ConditionFalse, "Reason", text)
		harmless(t, "condition", c.Message, 1024)
		if again := kube.Condition(&v1alpha1.Pool{}, v1alpha1.ConditionReady, metav1.ConditionFalse, "Reason", c.Message); again.Message != c.Message {
			t.Errorf("%q becomes %q", c.Message, again.Message)
		}
		n := fixture()
		kube.SetMark(n, kube.Mark{Cause: kube.CauseRepair, Reason: text, Message: text})
		m, err := kube.MarkOf(n)
		if err != nil {
			t.Fatal(err)
		}
		harmless(t, "mark", m.Reason, 128)
		harmless(t, "mark", m.Message, 512)
	})
}
