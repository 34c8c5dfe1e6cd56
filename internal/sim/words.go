package sim

import (
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// readable is whether a text is what people can read: no character that a terminal
// obeys, no length that hides the next line.
func readable(text string, limit int) bool {
	return len(text) <= limit && strings.IndexFunc(text, func(r rune) bool { return !plain.Printable(r) }) < 0
}

// watchWords looks at the sentences in what the daemon has just written: those of its
// conditions, its marks and its reports. What it keeps of others' words to know them
// again, a request say, is not for reading and stays as it was.
func (w *World) watchWords(c model.Commit) {
	said := map[string]string{}
	switch next := c.Next.(type) {
	case *corev1.Node:
		if mark, err := kube.MarkOf(next); err == nil && mark != nil && marked(c.Old) != marked(next) {
			said["its mark"] = mark.Reason + " " + mark.Message
		}
		for _, cond := range next.Status.Conditions {
			if cond.Type == v1alpha1.NodeConditionProblem && c.Verb == "PATCH nodes/status" {
				said[string(cond.Type)] = cond.Reason + " " + cond.Message
			}
		}
	case *v1alpha1.Pool:
		old, _ := c.Old.(*v1alpha1.Pool)
		if old == nil {
			old = &v1alpha1.Pool{}
		}
		for i, cond := range next.Status.Conditions { // what it has written, and not what it has left
			if i >= len(old.Status.Conditions) || old.Status.Conditions[i] != cond {
				said[cond.Type] = cond.Message
			}
		}
		if next.Status.Activity != old.Status.Activity {
			said["activity"] = next.Status.Activity
		}
		if run := next.Status.Cycle; run != nil && old.Status.Cycle == nil {
			for _, b := range run.Blocked {
				said["blocked "+b.Node] = b.Message
			}
		}
	}
	for where, text := range said {
		w.promise(keepReason, readable(text, 2048), "%s of %s says %d bytes: %.80q", where, c.Next.GetName(), len(text), text)
	}
}

func marked(o client.Object) string {
	if o == nil {
		return ""
	}
	return o.GetAnnotations()[v1alpha1.AnnotationDisruption]
}

// mostWrites is how often the daemon may write one object in a minute: each loop looks
// a few times in that, and whoever undoes what it writes is not to be fought more
// often than that.
const mostWrites = 30

// countWrites bounds what the API server is asked to write.
func (w *World) countWrites(o client.Object) {
	b := &w.books
	if now := time.Now(); now.Sub(b.written) >= time.Minute {
		b.written, b.writes = now, map[string]int{}
	}
	b.writes[o.GetNamespace()+"/"+o.GetName()]++
	n := b.writes[o.GetNamespace()+"/"+o.GetName()]
	w.promise(keepBounded, n <= mostWrites, "%T %s is written for the %d. time within a minute", o, o.GetName(), n)
}

// pretends is whether a Node is not the one that its machine is: who says so later
// than another takes nothing. Where somebody has deleted the real Node meanwhile, the
// impostor is the older, and nobody can tell; then the machine is not ended before
// both are empty, which is looked at when it is.
func (w *World) pretends(n *corev1.Node) bool {
	k := w.kubelets[strings.TrimPrefix(n.Spec.ProviderID, "oci://")]
	if k == nil || k.node == n.Name {
		return false
	}
	real := w.nodeOf(k)
	return real != nil && w.api.Born(real).Before(w.api.Born(n))
}

// touched is whether a write changed what a Node is; a verdict that is taken back from
// one that nobody asks for any more is no such change.
func touched(old, next *corev1.Node) bool {
	was, is := verdict(old), verdict(next)
	return is.Status != "" && (is.Status != was.Status || is.Reason != was.Reason) || !equality.Semantic.DeepEqual(old.Spec, next.Spec) || !maps.Equal(old.Annotations, next.Annotations) || !maps.Equal(old.Labels, next.Labels)
}
