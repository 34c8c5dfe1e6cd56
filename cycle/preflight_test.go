package cycle

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// checked is the verdict of a check, "" if it was not made.
func checked(p Preflight, name string) (Verdict, string) {
	for _, c := range p.Checks {
		if c.Name == name {
			return c.Verdict, c.Message
		}
	}
	return "", ""
}

func TestPrefly(t *testing.T) {
	stuckBy := func(r drain.Reason, pdb string) map[string]drain.Answer {
		return map[string]drain.Answer{"default/uid-web": {Block: drain.Block{Pod: "default/web-1", Reason: r, PDB: pdb, Message: "allows 0 disruptions"}}}
	}
	full := []cloudprovider.Capacity{{Zone: "Z", Fault: &cloudprovider.Fault{Class: cloudprovider.FaultCapacity}}}
	for name, c := range map[string]struct {
		to      string
		asked   Asked
		edit    func(*worldtest.World, *v1alpha1.Pool)
		want    Verdict
		check   string // the one that says so
		verdict Verdict
	}{
		"it would end":                 {want: Fine, check: "request", verdict: Fine},
		"a budget that allows nothing": {asked: Asked{Evictions: stuckBy(drain.PDBZero, "default/web")}, want: Never, check: "pods", verdict: Never},
		"a budget that is spent now":   {asked: Asked{Evictions: stuckBy(drain.PDBTransient, "default/web")}, want: Mind, check: "pods", verdict: Mind},
		"a pod of nobody's": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) { w.Objects.Pods[0].OwnerReferences = nil },
			want: Never, check: "pods", verdict: Never},
		"a pod that asks for its host": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.Objects.Pods[0].Spec.NodeSelector = map[string]string{corev1.LabelHostname: "n1"}
		}, want: Never, check: "pods", verdict: Never},
		"no room":                  {asked: Asked{Capacity: full}, want: Never, check: "capacity", verdict: Never},
		"no room and a way around": {asked: Asked{Capacity: full}, edit: func(_ *worldtest.World, p *v1alpha1.Pool) { p.Spec.Cycle.Fallback = &v1alpha1.FallbackSpec{} }, want: Mind, check: "capacity", verdict: Mind},
		"room is not told":         {asked: Asked{CapacityErr: cloudprovider.ErrNotSupported}, want: Mind, check: "capacity", verdict: Mind},
		"quota for none":           {asked: Asked{Limits: []Limit{{"cores", "", 3, 4}}}, want: Never, check: "quota", verdict: Never},
		"quota for none and a way around": {asked: Asked{Limits: []Limit{{"cores", "", 3, 4}}}, edit: func(_ *worldtest.World, p *v1alpha1.Pool) {
			p.Spec.Cycle.Fallback = &v1alpha1.FallbackSpec{Unavailable: true}
		}, want: Mind, check: "quota", verdict: Mind},
		"quota for fewer": {asked: Asked{Limits: []Limit{{"cores", "", 7, 4}, {"memory", "", 1000, 16}}}, edit: func(_ *worldtest.World, p *v1alpha1.Pool) {
			two := intstr.FromInt32(2)
			p.Spec.Cycle.MaxSurge = &two
		}, want: Mind, check: "quota", verdict: Mind},
		"quota enough":           {asked: Asked{Limits: []Limit{{"cores", "", 4, 4}, {"cores", "elsewhere", 0, 4}}}, want: Fine, check: "quota", verdict: Fine},
		"quota none in place":    {asked: Asked{Limits: []Limit{{"cores", "", 0, 4}}}, edit: func(_ *worldtest.World, p *v1alpha1.Pool) { p.Spec.Cycle.Strategy = v1alpha1.StrategyInPlace }, want: Fine, check: "quota", verdict: Fine},
		"quota is not told":      {asked: Asked{LimitsErr: cloudprovider.ErrUnauthorized}, want: Mind, check: "quota", verdict: Mind},
		"addresses for none":     {asked: Asked{Subnets: []Subnet{{"nodes", nil, false, 31, 32}}}, want: Never, check: "addresses", verdict: Never},
		"addresses elsewhere":    {asked: Asked{Subnets: []Subnet{{"a", nil, false, 31, 32}, {"b", nil, false, 40, 32}}}, want: Fine, check: "addresses", verdict: Fine},
		"addresses for no pods":  {asked: Asked{Subnets: []Subnet{{"nodes", nil, false, 200, 1}, {"pods", nil, true, 31, 32}}}, want: Never, check: "addresses", verdict: Never},
		"addresses for all":      {asked: Asked{Subnets: []Subnet{{"nodes", nil, false, 200, 1}, {"pods", nil, true, 400, 32}}}, want: Fine, check: "addresses", verdict: Fine},
		"addresses are not told": {asked: Asked{SubnetsErr: cloudprovider.ErrNotSupported}, want: Mind, check: "addresses", verdict: Mind},
		"a volume of a zone that the pool has left": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) {
			(&teller{w: w}).addVolume(&w.Objects.Pods[0], "Z")
			w.Cloud.Instances[worldtest.PoolID("workers")][0].Zone = "Z"
		}, want: Never, check: "volumes", verdict: Never},
		"a volume of the only node of a zone": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) {
			(&teller{w: w}).addVolume(&w.Objects.Pods[0], "Y")
			w.Cloud.Pools[0].Placements = []cloudprovider.Placement{worldtest.Placement("Y", "4", "16Gi"), worldtest.Placement("X", "4", "16Gi")}
			w.Cloud.Instances[worldtest.PoolID("workers")][0].Zone = "Y"
		}, want: Mind, check: "volumes", verdict: Mind},
		"a volume that can follow": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) {
			(&teller{w: w}).addVolume(&w.Objects.Pods[0], w.Objects.Nodes[1].Labels[corev1.LabelTopologyZone])
		}, want: Fine, check: "volumes", verdict: Fine},
		"cycling is off":               {edit: func(_ *worldtest.World, p *v1alpha1.Pool) { p.Spec.Cycle.Mode = v1alpha1.CycleOff }, want: Never, check: "request", verdict: Never},
		"newer than the control plane": {to: "v9.9.9", asked: Asked{Offer: Offer{Releases: []cloudprovider.Release{{Kubernetes: "v9.9.9"}}}}, want: Never, check: "request", verdict: Never},
		"newer than the control plane, and refused before": {to: "v9.9.9", edit: func(_ *worldtest.World, p *v1alpha1.Pool) {
			p.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=v9.9.9", Outcome: Refused}
		}, want: Never, check: "request", verdict: Never},
		"a version that is not there": {to: "v1.34.9", asked: Asked{Offer: Offer{Err: errors.New("away")}}, want: Mind, check: "request", verdict: Mind},
		"a window that never opens": {edit: func(_ *worldtest.World, p *v1alpha1.Pool) {
			p.Spec.Cycle.Windows = []v1alpha1.CycleWindow{{Schedule: "0 0 30 2 *"}}
		}, want: Never, check: "request", verdict: Never},
		"paused": {edit: func(_ *worldtest.World, p *v1alpha1.Pool) { p.Annotations[v1alpha1.AnnotationPause] = "true" }, want: Mind, check: "request", verdict: Mind},
		"a machine that failed": {edit: func(w *worldtest.World, _ *v1alpha1.Pool) {
			in := w.AddInstance("workers", "n9", cloudprovider.Failed)
			in.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultLimit, Message: "enough"}
		}, want: Mind, check: "machines", verdict: Mind},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			p.Status.Cycle = nil
			w.AddPod("web-1", "1", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "web"))
			if c.edit != nil {
				c.edit(w, p)
			}
			s := w.Snapshot()
			s.ControlPlane = "v1.36.3"
			got := Prefly(s, s.Pools[0], c.to, c.asked)
			if v, message := checked(got, c.check); got.Verdict != c.want || v != c.verdict {
				t.Errorf("verdict %s, %s %s (%s); want %s, %s\n%+v", got.Verdict, c.check, v, message, c.want, c.verdict, got.Checks)
			}
			if s.Pools[0].Object.Annotations[v1alpha1.AnnotationUpgradeTo] != "" || s.Pools[0].Object.Annotations[v1alpha1.AnnotationCycle] != "now" {
				t.Error("the look itself was changed")
			}
		})
	}
}

// A pod that does not leave is named with its node, and its workload's answer
// holds for all of its pods.
func TestPreflyNamesWhatStays(t *testing.T) {
	w, p := gated()
	p.Status.Cycle = nil
	for _, at := range []string{"n1", "n2"} {
		w.AddPod("web-"+at, "1", "1Gi", worldtest.On(at), worldtest.OwnedBy("ReplicaSet", "web"))
	}
	s := w.Snapshot()
	if got := Samples(s, s.Pools[0]); len(got) != 1 {
		t.Fatalf("%d evictions would be tried, want 1", len(got))
	}
	got := Prefly(s, s.Pools[0], "", Asked{Evictions: map[string]drain.Answer{"default/uid-web": {Block: drain.Block{Reason: drain.TooManyPDBs, PDB: "default/a, default/b"}}}})
	if len(got.Stuck) != 2 || got.Stuck[1].Node != "n2" || got.Stuck[1].Pod != "default/web-n2" || !got.Stuck[1].Permanent {
		t.Errorf("stuck = %+v", got.Stuck)
	}
}

// The estimate rises with grace periods and falls with parallelism, and says what
// it rests on.
func TestEstimate(t *testing.T) {
	of := func(grace int64) Estimate {
		w, p := gated()
		p.Status.Cycle = nil
		w.AddPod("web-1", "1", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "web")).Spec.TerminationGracePeriodSeconds = &grace
		s := w.Snapshot()
		return Prefly(s, s.Pools[0], "", Asked{}).Estimate
	}
	short, long := of(30), of(3600)
	if d := time.Duration(long.Seconds-short.Seconds) * time.Second; d != time.Hour-30*time.Second {
		t.Errorf("an hour of grace adds %s", d)
	}
	if !strings.Contains(short.Basis, "2 nodes, 1 at once") || !strings.Contains(short.Basis, "assumed") {
		t.Errorf("basis = %q", short.Basis)
	}
}
