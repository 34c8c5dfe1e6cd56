package world

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// What an abort has ended is known by the hashes, and by the name of the run for a
// request that was not on the Node when the run ended. Another abort, another value
// and another machine are nothing that anybody has ended.
func TestAborted(t *testing.T) {
	ended := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	byHash := func(p *Pool, n *Node) {
		p.Object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: "node/other", AbortSeen: "enough", AbortedNodes: []string{p.AbortKey(n)}}
	}
	byName := func(p *Pool, n *Node) {
		p.Object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: NodeRequest(n, "1"), AbortSeen: "enough", FinishedAt: metav1.NewTime(ended)}
	}
	nothing := func(*Pool, *Node) {}
	value := func(s string) func(*Pool, *Node) {
		return func(_ *Pool, n *Node) { n.Object.Annotations[v1alpha1.AnnotationCycle] = s }
	}
	for _, x := range []struct {
		name    string
		record  func(*Pool, *Node)
		then    func(*Pool, *Node)
		aborted bool
	}{
		{"nothing on record", nothing, nothing, false},
		{"one of the hashes", byHash, nothing, true},
		{"the run's own name", byName, nothing, true},
		{"a hash of another value", byHash, value("2"), false},
		{"a name of another value", byName, value("2"), false},
		{"a value that begins alike", byName, value("12"), false},
		{"another node's name", byName, func(_ *Pool, n *Node) { n.Object.Name = "n2" }, false},
		{"no request", byName, func(_ *Pool, n *Node) { delete(n.Object.Annotations, v1alpha1.AnnotationCycle) }, false},
		{"another abort", byName, func(p *Pool, _ *Node) { p.Object.Annotations[v1alpha1.AnnotationAbort] = "again" }, false},
		{"no abort", byName, func(p *Pool, _ *Node) { delete(p.Object.Annotations, v1alpha1.AnnotationAbort) }, false},
		{"a run that no abort has ended", byName, func(p *Pool, _ *Node) { p.Object.Status.LastCycle.AbortSeen = "" }, false},
		{"another Node of that name", byName, func(_ *Pool, n *Node) { n.Object.CreationTimestamp = metav1.NewTime(ended.Add(time.Second)) }, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := &Pool{Object: &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationAbort: "enough"}}}}
			n := &Node{Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{
				Name: "n1", UID: "u1", CreationTimestamp: metav1.NewTime(ended.Add(-time.Hour)),
				Annotations: map[string]string{v1alpha1.AnnotationCycle: "1"},
			}}}
			x.record(p, n)
			x.then(p, n)
			if got := p.Aborted(n); got != x.aborted {
				t.Errorf("aborted %v, want %v", got, x.aborted)
			}
		})
	}
}
