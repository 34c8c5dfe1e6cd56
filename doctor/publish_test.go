package doctor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func TestConditionIsWrittenOnlyWhenItSaysSomething(t *testing.T) {
	k := ward(3)
	passed := func(n string, beat time.Duration) {
		c := &k.node(n).Status.Conditions
		for i := range *c {
			if (*c)[i].Type == v1alpha1.NodeConditionProblem {
				(*c)[i].Reason, (*c)[i].Message = ReasonPassed, "no check fails"
				(*c)[i].LastHeartbeatTime = metav1.NewTime(k.Now.Add(-beat))
			}
		}
	}
	passed("n2", time.Minute)
	passed("n3", 5*time.Minute)
	_, plan := k.decide(t)
	got := map[string]bool{}
	for _, p := range plan.Publish {
		got[p.Node.Name()] = p.Heartbeat
	}
	if beat, ok := got["n1"]; !ok || beat {
		t.Error("n1 changed and is not written as a change")
	}
	if _, ok := got["n2"]; ok {
		t.Error("n2 is written though nothing changed and its heartbeat is fresh")
	}
	if beat, ok := got["n3"]; !ok || !beat {
		t.Error("n3 is not written though its heartbeat is old")
	}
}

func TestConditionsGoWithTheOptIn(t *testing.T) {
	for _, c := range []struct {
		name string
		tell func(c *clinic)
		drop bool
	}{
		{"opted in", func(c *clinic) {}, false},
		{"opted out", func(c *clinic) { c.pool().Spec = v1alpha1.PoolSpec{NodePoolID: c.pool().Spec.NodePoolID} }, true},
		{"all modes off", func(c *clinic) {
			c.pool().Spec.Scale, c.pool().Spec.Repair.Mode = nil, v1alpha1.RepairOff
			c.pool().Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOff}
		}, true},
		{"Pool deleted", func(c *clinic) { c.Objects.Pools = nil }, true},
		{"node pool deleted", func(c *clinic) { c.Cloud.Pools = nil }, true},
		{"cloud away since the start", func(c *clinic) { c.Cloud.Pools, c.Cloud.Err = nil, errors.New("timeout") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newClinic(repairs(v1alpha1.RepairOn))
			k.addNode("n1")
			c.tell(k)
			_, plan := k.decide(t)
			if got := len(plan.Drop) == 1; got != c.drop {
				t.Errorf("dropped=%v, want %v", got, c.drop)
			}
		})
	}
}

// 2,000 nodes that were examined in one look must not be written in one look
// for ever; who has waited longest goes first.
func TestHeartbeatsAreSpread(t *testing.T) {
	k := newClinic()
	for i := range heartbeatsPerLook + 50 {
		name := fmt.Sprintf("n%d", i)
		c := &k.addNode(name).Status.Conditions
		last := &(*c)[len(*c)-1]
		for j := range *c {
			if (*c)[j].Type == v1alpha1.NodeConditionProblem {
				last = &(*c)[j]
			}
		}
		last.Reason, last.Message = ReasonPassed, "no check fails"
		last.LastHeartbeatTime = metav1.NewTime(k.Now.Add(-time.Hour - time.Duration(i)*time.Second))
	}
	_, plan := k.decide(t)
	if len(plan.Publish) != heartbeatsPerLook {
		t.Fatalf("%d writes, want %d", len(plan.Publish), heartbeatsPerLook)
	}
	for _, p := range plan.Publish {
		if age := k.Now.Sub(beat(p)); age < time.Hour+50*time.Second {
			t.Fatalf("%s was written before one that waited longer", p.Node.Name())
		}
	}
}

// BenchmarkExamine is a look at the largest cluster that is promised: 2,000
// nodes and 60,000 pods, all well.
func BenchmarkExamine(b *testing.B) {
	k := newClinic()
	for i := range 2000 {
		name := fmt.Sprintf("n%d", i)
		k.addNode(name)
		for j := range 29 {
			k.pull(name, fmt.Sprintf("p%d-%d", i, j), "img:1", true)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		k.decide(b)
	}
}
