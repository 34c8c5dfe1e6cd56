package world_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// object is a Node: "R" ready, "r" not ready, "" no condition; the same with P
// for the doctor's verdict: "F" found fine, "T" a problem, "U" unknown.
func object(ready, verdict string, edit ...func(*corev1.Node)) *corev1.Node {
	n := node("n", "i")
	add := func(t corev1.NodeConditionType, s corev1.ConditionStatus) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: t, Status: s})
	}
	switch ready {
	case "R":
		add(corev1.NodeReady, corev1.ConditionTrue)
	case "r":
		add(corev1.NodeReady, corev1.ConditionFalse)
	case "?":
		add(corev1.NodeReady, corev1.ConditionUnknown)
	}
	switch verdict {
	case "F":
		add(v1alpha1.NodeConditionProblem, corev1.ConditionFalse)
	case "T":
		add(v1alpha1.NodeConditionProblem, corev1.ConditionTrue)
	case "U":
		add(v1alpha1.NodeConditionProblem, corev1.ConditionUnknown)
	}
	for _, e := range edit {
		e(&n)
	}
	return &n
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func TestStage(t *testing.T) {
	at := now
	draining := &kube.Mark{Cause: kube.CauseCycle, DrainStarted: &at}
	drained := &kube.Mark{Cause: kube.CauseCycle, DrainStarted: &at, Drained: &at}
	in := func(s cloudprovider.State) *cloudprovider.Instance { return &cloudprovider.Instance{ID: "i", State: s} }
	tests := []struct {
		name     string
		instance *cloudprovider.Instance
		object   *corev1.Node
		mark     *kube.Mark
		want     world.Stage
	}{
		{"asked for", in(cloudprovider.Creating), nil, nil, world.StageLaunching},
		{"failed entry", in(cloudprovider.Failed), nil, nil, world.StageFailed},
		{"booted, not registered", in(cloudprovider.Running), nil, nil, world.StageJoining},
		{"registered, not ready yet", in(cloudprovider.Running), object("r", ""), nil, world.StageJoining},
		{"registered before the cloud noticed", in(cloudprovider.Creating), object("R", "F"), nil, world.StageAvailable},
		{"ready, not examined", in(cloudprovider.Running), object("R", ""), nil, world.StageGated},
		{"ready, doctor cannot tell", in(cloudprovider.Running), object("R", "U"), nil, world.StageGated},
		{"ready and passed", in(cloudprovider.Running), object("R", "F"), nil, world.StageAvailable},
		{"marked, nothing done yet", in(cloudprovider.Running), object("R", "F"), &kube.Mark{}, world.StageAvailable},
		{"cordoned by a person", in(cloudprovider.Running), object("R", "F", cordoned), nil, world.StageCordoned},
		{"passed once, not ready now", in(cloudprovider.Running), object("r", "F"), nil, world.StageBroken},
		{"problem named, not ready", in(cloudprovider.Running), object("?", "T"), nil, world.StageBroken},
		{"not ready is worse than cordoned", in(cloudprovider.Running), object("r", "T", cordoned), nil, world.StageBroken},
		{"draining", in(cloudprovider.Running), object("R", "F", cordoned), draining, world.StageDraining},
		{"draining and not ready", in(cloudprovider.Running), object("r", "T", cordoned), draining, world.StageDraining},
		{"drained", in(cloudprovider.Running), object("R", "F", cordoned), drained, world.StageDrained},
		{"being deleted, whatever the Node says", in(cloudprovider.Deleting), object("R", "F"), drained, world.StageTerminating},
		{"stopped", in(cloudprovider.Stopped), object("R", "F"), nil, world.StageLost},
		{"Node without a machine", nil, object("R", "F"), nil, world.StageLost},
		{"a state of a later cloud", in(cloudprovider.StateUnknown), object("R", "F"), nil, world.StageUnknown},
	}
	for _, test := range tests {
		n := &world.Node{Instance: test.instance, Object: test.object, Mark: test.mark}
		if got := n.Stage(); got != test.want {
			t.Errorf("%s: stage = %s, want %s", test.name, got, test.want)
		}
		if n.Available() != (test.want == world.StageAvailable) {
			t.Errorf("%s: Available = %v in stage %s", test.name, n.Available(), n.Stage())
		}
	}
}

func TestCounts(t *testing.T) {
	at := now
	in := func(zone cloudprovider.Zone, s cloudprovider.State) *cloudprovider.Instance {
		return &cloudprovider.Instance{State: s, Zone: zone}
	}
	p := &world.Pool{Nodes: []*world.Node{
		{Instance: in("AD-1", cloudprovider.Running), Object: object("R", "F")},
		{Instance: in("AD-1", cloudprovider.Running), Object: object("R", "F", cordoned)},                                   // a person's
		{Instance: in("AD-1", cloudprovider.Running), Object: object("R", "F", cordoned), Mark: &kube.Mark{}},               // ours
		{Instance: in("AD-2", cloudprovider.Running), Object: object("R", "F"), Mark: &kube.Mark{DrainStarted: &at}},        // draining
		{Instance: in("AD-2", cloudprovider.Deleting), Object: object("R", "F")},                                            // going
		{Instance: in("AD-2", cloudprovider.Creating)},                                                                      // launching
		{Instance: in("AD-2", cloudprovider.Running), Object: object("R", "")},                                              // gated
		{Instance: in("AD-3", cloudprovider.Failed)},                                                                        // never a machine
		{Object: object("R", "F", func(n *corev1.Node) { n.Labels = map[string]string{corev1.LabelTopologyZone: "AD-3"} })}, // no machine
		{Instance: in("AD-3", cloudprovider.Running), Object: object("r", "F")},                                             // broken
	}}
	all, zones := p.Counts()
	if diff := cmp.Diff(world.Count{Instances: 8, Available: 1, Disrupted: 3, Coming: 2}, all); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	want := map[cloudprovider.Zone]world.Count{
		"AD-1": {Instances: 3, Available: 1, Disrupted: 1},
		"AD-2": {Instances: 4, Disrupted: 2, Coming: 2},
		"AD-3": {Instances: 1},
	}
	if diff := cmp.Diff(want, zones); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
}

func TestDoNotDisrupt(t *testing.T) {
	tests := []struct {
		value                string
		protected, malformed bool
	}{
		{"true", true, false}, {"false", false, false},
		{"2h", true, false}, {"1h", false, false}, {"59m59s", false, false}, {"1h0m1s", true, false}, {"0s", false, false},
		{"yes", true, true}, {"", true, true}, {"-1h", true, true}, {"1 day", true, true},
	}
	created := now.Add(-time.Hour)
	for _, test := range tests {
		p, m := world.DoNotDisrupt(map[string]string{v1alpha1.AnnotationDoNotDisrupt: test.value}, created, now)
		if p != test.protected || m != test.malformed {
			t.Errorf("%q: protected %v, malformed %v; want %v, %v", test.value, p, m, test.protected, test.malformed)
		}
	}
	if p, m := world.DoNotDisrupt(nil, created, now); p || m {
		t.Errorf("no annotation: protected %v, malformed %v", p, m)
	}
}
