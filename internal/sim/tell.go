package sim

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// canary stands in the environment of every pod, for nobody to repeat.
const canary = "canary-5e1f-do-not-tell"

// watchEvent looks at what the daemon says to people.
func (w *World) watchEvent(reason, note string) {
	w.tells(reason+" "+note, "an event")
	w.mu.Lock()
	w.stats.events++
	w.books.kept[keepReason]++
	w.mu.Unlock()
	if reason == "" || note == "" || len(note) > 1024 || len(reason) > 128 || !readable(reason+note, 2048) || strings.Contains(reason, " ") {
		w.violate(keepReason, "an event of reason %q says %d bytes: %.80q", reason, len(note), note)
	}
}

// tells checks that the text has no secret in it.
func (w *World) tells(text, what string) {
	w.mu.Lock()
	w.books.kept[keepSecret]++
	w.mu.Unlock()
	if strings.Contains(text, canary) {
		w.violate(keepSecret, "%s repeats what stands in a pod's environment: %.200q", what, text)
	}
}

// stayPaused counts that a pool whose run is paused is left alone; that it is not
// is found at the cordon.
func (w *World) stayPaused(now time.Time) {
	for id, at := range w.books.paused {
		if p := w.poolObject(id); p != nil && p.Status.Cycle != nil && now.Sub(at) > forgiven {
			w.promise(keepPaused, true, "")
		}
	}
}

// forgiven is for how long after a pause a cordon may still come: it was decided
// before, by a process that was held up since.
const forgiven = 90 * time.Second

// undisturbed checks that what has just happened in a pool does not happen in a pause:
// no cordon, no eviction, no end of a machine. Whoever does such a thing asks the API
// server itself, and not a cache whose watch may hang for minutes.
func (w *World) undisturbed(pool, what string) {
	if at, ok := w.books.paused[pool]; ok {
		w.promise(keepPaused, time.Since(at) < forgiven, "%s %s after its pool was paused", what, time.Since(at))
	}
}

// evictedFrom is told of each eviction.
func (w *World) evictedFrom(p *corev1.Pod) {
	n, ok := w.api.Find("nodes", "", p.Spec.NodeName).(*corev1.Node)
	if !ok || n == nil {
		return
	}
	w.undisturbed(n.Annotations[v1alpha1.AnnotationNodePoolID], "pod "+p.Name+" was evicted from node "+n.Name)
	w.promise(keepHuman, !w.takenBack(n), "pod %s was evicted from node %s, which a person had made schedulable", p.Name, n.Name)
}

// countReads bounds what the cloud is asked in a minute: Oracle throttles, and a
// loop that asks without rest is found by nothing else.
func (w *World) countReads() {
	if time.Since(w.books.minute) >= time.Minute {
		w.books.minute, w.books.reads = time.Now(), 0
	}
	w.books.reads++
	w.promise(keepBounded, w.books.reads < 600, "%d requests to the cloud within a minute", w.books.reads)
}

// hearWhy notes what a pod is told of why no pool grows for it.
func (w *World) hearWhy(reason string, about any, note string) {
	if p, ok := about.(*corev1.Pod); ok && reason == "NotTriggerScaleUp" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.books.waits[string(p.UID)] = note
	}
}

// tickWhy looks at the pods that wait, once a minute when nothing is in their way.
func (w *World) tickWhy(now time.Time) {
	if !w.calm || !w.mix.parts.scale || now.Sub(w.books.askedWhy) < time.Minute {
		return
	}
	w.books.askedWhy = now
	w.api.Each("pods", func(o client.Object) { w.toldWhy(o.(*corev1.Pod), now) })
}

// joins is for how long scaling waits for a machine that is no Node: pods that it is for
// are told nothing as long.
const joins = 25 * time.Minute

// awaited is when the last machine was made that is no Node yet.
func (w *World) awaited() time.Time {
	last := time.Time{}
	for _, id := range w.order {
		if k := w.kubelets[id]; !k.removed && w.nodeOf(k) == nil {
			last = latest(last, k.made)
		}
	}
	return last
}

// toldWhy checks that a pod which has had no node for long has been told why; at rest not
// that the next look will help, since nothing has changed since the last.
func (w *World) toldWhy(p *corev1.Pod, now time.Time) {
	if p.Spec.NodeName != "" || ended(p) || p.DeletionTimestamp != nil || !refused(p) || !w.mix.parts.scale {
		return
	}
	w.mu.Lock()
	note := w.books.waits[string(p.UID)]
	w.mu.Unlock()
	since := latest(p.CreationTimestamp.Time, w.healed, w.led)
	w.promise(keepReason, note != "" || now.Sub(latest(since, w.awaited())) < joins+2*belated, "pod %s has had no node for %s, and is not told why", p.Name, now.Sub(p.CreationTimestamp.Time))
	w.promise(keepReason, !strings.Contains(note, "NextLook") || now.Sub(since) < stillness, "pod %s has had no node for %s, and is told %q", p.Name, now.Sub(p.CreationTimestamp.Time), note)
}
