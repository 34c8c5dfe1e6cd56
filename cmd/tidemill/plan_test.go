package main

import (
	"bytes"
	"testing"

	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/scale"
)

func TestPlanReads(t *testing.T) {
	p := plans{
		Discovery: mirror.Plan{Create: []mirror.Creation{{Name: "gpu", NodePoolID: "ocid1.nodepool.oc1..g"}}},
		Scale: scale.Plan{
			Grows: []scale.Grow{{Pool: "workers", From: 1, To: 3, Pods: []string{"shop/a", "shop/b"}, Waste: 0.25}},
			Verdicts: []scale.Verdict{
				{Pod: "shop/a", Help: scale.HelpGrowth, Where: "workers"},
				{Pod: "shop/x", Help: scale.HelpNone, Reason: scale.PoolAtMax}, {Pod: "shop/y", Help: scale.HelpNone, Reason: scale.PoolAtMax},
			},
			Pools: []scale.PoolVerdict{{Pool: "workers"}, {Pool: "arm", Reason: scale.PoolAtMax, Message: "size 3 of at most 3"}},
			Nodes: []scale.NodeVerdict{{Node: "n1", Pool: "arm", Reason: scale.Young}, {Node: "n2", Pool: "arm", Reason: scale.Young}},
		},
		Cycle: cycle.Plan{
			Steps: []cycle.Step{{Kind: cycle.Surge, Pool: "arm", From: 3, To: 4}},
			Pools: []cycle.Report{{Pool: "arm", Wait: &cycle.Wait{Reason: cycle.WaitingForSurge, Message: "no new node yet"},
				Blocked: []cycle.Blocked{{Node: "n3", Reason: cycle.BelowFloor, Message: "3 must remain"}}}},
		},
		Doctor: doctor.Report{Nodes: []doctor.NodeReport{
			{Node: "n4", Repair: &doctor.RepairReport{Act: "request", Check: "lease", Message: "no heartbeat"}},
			{Node: "n5", Pool: "arm", Repair: &doctor.RepairReport{Act: "none", Check: "lease", Reason: "Braked", Message: "9 of 10 nodes fail"}},
			{Node: "n6", Repair: &doctor.RepairReport{Act: "withdraw", Reason: "Healed"}}, {Node: "n7"},
			{Node: "n8", Pool: "arm", Repair: &doctor.RepairReport{Act: "report", Check: "ready", Message: "reboot, attempt 1 of 3: the kubelet is silent"}},
			{Node: "n9", Repair: &doctor.RepairReport{Act: "note", Reason: "Ended"}}, {Node: "n10", Repair: &doctor.RepairReport{Act: "forget", Reason: "Forgotten"}},
		}},
	}
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		t.Fatal(err)
	}
	if err := (plans{}).write(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/plan.golden", b.String())
}
