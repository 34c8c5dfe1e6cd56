package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Nodes that wait for the same stand together, however many they are: twenty lines
// that say the same hide the one that does not.
func TestWaitsStandTogether(t *testing.T) {
	p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCycling, Reason: "WaitingForSurge", Message: "1 of 9 replaced; a new node is on its way"}}
	p.Status.Cycle = &v1alpha1.CycleStatus{}
	add := func(node, message string) {
		p.Status.Cycle.Blocked = append(p.Status.Cycle.Blocked, v1alpha1.BlockedNode{Node: node, Reason: "BelowFloor", Message: message})
	}
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		add(n, "2 of 2")
	}
	add("g", "in its zone")
	want := []string{"WaitingForSurge: a new node is on its way", "a, b, c, d, 2 more: BelowFloor: 2 of 2", "g: BelowFloor: in its zone"}
	if diff := cmp.Diff(want, waitsFor(p)); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	for _, n := range []string{"h", "i", "j", "k"} {
		add(n, "another reason: "+n)
	}
	if got := waitsFor(p); len(got) != 1+waitsShown+1 {
		t.Errorf("%d lines, want %d and a word that there are more:\n%v", len(got), 1+waitsShown, got)
	}
}
