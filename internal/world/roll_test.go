package world

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// What a roll knows from earlier looks changes nothing of what it says, and a node
// on which nothing happened hands out its very list again.
func TestRollIsAsIfNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRoll()
		cluster := map[string]*corev1.Pod{}
		var before map[string][]*corev1.Pod
		for range rapid.IntRange(1, 6).Draw(t, "looks") {
			touched := map[string]bool{}
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				change(t, cluster, touched)
			}
			var all []*corev1.Pod
			for _, p := range cluster { // in no order, as informers do
				all = append(all, p)
			}
			byNode, pending := r.call(all)
			wantNodes, wantPending := newRoll().call(all)
			if diff := cmp.Diff(namesByNode(wantNodes), namesByNode(byNode)); diff != "" {
				t.Fatalf("by node, new (-) and known (+):\n%s", diff)
			}
			if diff := cmp.Diff(names(wantPending), names(pending)); diff != "" {
				t.Fatalf("pending, new (-) and known (+):\n%s", diff)
			}
			if len(r.known) != len(all) {
				t.Fatalf("%d pods are remembered of %d", len(r.known), len(all))
			}
			for node, list := range byNode {
				if old := before[node]; !touched[node] && (len(old) != len(list) || &old[0] != &list[0]) {
					t.Fatalf("node %s was not touched and has a new list", node)
				}
				if cap(list) != len(list) {
					t.Fatalf("the list of node %s can be appended to", node)
				}
			}
			before = byNode
		}
	})
}

// change makes one pod come, go, or be another object; it says whose nodes saw it.
func change(t *rapid.T, cluster map[string]*corev1.Pod, touched map[string]bool) {
	name := fmt.Sprintf("pod-%d", rapid.IntRange(0, 7).Draw(t, "pod"))
	if old := cluster[name]; old != nil {
		touched[old.Spec.NodeName] = true
	}
	if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
		delete(cluster, name)
		return
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	p.Spec.NodeName = rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, "node")
	p.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{corev1.PodPending, corev1.PodSucceeded}).Draw(t, "phase")
	cluster[name] = p
	touched[p.Spec.NodeName] = true
}

func names(pods []*corev1.Pod) []string {
	out := []string{}
	for _, p := range pods {
		out = append(out, p.Name)
	}
	return out
}

func namesByNode(m map[string][]*corev1.Pod) map[string][]string {
	out := map[string][]string{}
	for node, pods := range m {
		out[node] = names(pods)
	}
	return out
}
