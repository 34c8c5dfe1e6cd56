package doctor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func TestVerdictIsWrittenBesideTheKubelets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 3)
		before := p.node(t, "n1").Status.Conditions
		p.look(t)
		n := p.node(t, "n1")
		c := condition(n, v1alpha1.NodeConditionProblem)
		if c == nil || c.Status != corev1.ConditionFalse || c.Reason != ReasonPassed {
			t.Fatalf("condition %+v, want False %s", c, ReasonPassed)
		}
		unset(n, v1alpha1.NodeConditionProblem)
		if diff := cmp.Diff(before, n.Status.Conditions); diff != "" {
			t.Errorf("the kubelet's conditions were touched:\n%s", diff)
		}
		if told := p.told(); len(told) > 0 {
			t.Errorf("nodes that were there before passed aloud: %v", told)
		}
		// Nothing changes: nothing is written until the heartbeat.
		*p.writes = 0
		for range 9 {
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		if *p.writes != 0 {
			t.Errorf("%d writes while nothing changed", *p.writes)
		}
		time.Sleep(30 * time.Second)
		p.look(t)
		if *p.writes != 3 {
			t.Errorf("%d writes after five minutes, want one heartbeat per node", *p.writes)
		}
		if after := condition(p.node(t, "n1"), v1alpha1.NodeConditionProblem); !after.LastTransitionTime.Equal(&c.LastTransitionTime) || after.LastHeartbeatTime.Equal(&c.LastHeartbeatTime) {
			t.Errorf("a heartbeat must move its time alone: %+v, was %+v", after, c)
		}
	})
}

func TestFromFaultToRequestAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 5, repairs(v1alpha1.RepairOn))
		p.look(t)
		p.kubelet(t, "n1", corev1.ConditionUnknown)
		p.look(t)
		if c := condition(p.node(t, "n1"), v1alpha1.NodeConditionProblem); c.Status != corev1.ConditionTrue || c.Reason != "Ready" {
			t.Fatalf("one look after the fault: %+v", c)
		}
		began := time.Now()
		for p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle] == "" {
			if time.Since(began) > 11*time.Minute {
				t.Fatal("no request after 11 minutes")
			}
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		if asked := time.Since(began); asked < 5*time.Minute {
			t.Errorf("asked after %s, want 5m", asked)
		}
		value := p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle]
		if !strings.HasPrefix(value, "doctor/reboot/ready/") {
			t.Errorf("value %q", value)
		}
		for range 10 {
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		if again := p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle]; again != value {
			t.Errorf("asked again: %q, then %q", value, again)
		}
		p.kubelet(t, "n1", corev1.ConditionTrue)
		p.look(t)
		n := p.node(t, "n1")
		if c := condition(n, v1alpha1.NodeConditionProblem); c.Status != corev1.ConditionFalse {
			t.Errorf("one look after it healed: %+v", c)
		}
		if v, ok := n.Annotations[v1alpha1.AnnotationCycle]; ok {
			t.Errorf("healed, and the request stands: %q", v)
		}
		want := []string{"Warning NodeProblem", "Warning RepairRequested", "Normal RepairWithdrawn", "Normal NodeRecovered"}
		if diff := cmp.Diff(want, p.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A daemon that is killed and started again at every look comes to the same.
func TestRequestDoesNotNeedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 5, repairs(v1alpha1.RepairOn))
		p.look(t)
		p.kubelet(t, "n1", corev1.ConditionUnknown)
		began := time.Now()
		for p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle] == "" {
			if time.Since(began) > 12*time.Minute {
				t.Fatal("no request after 12 minutes")
			}
			p.Loop = &Loop{Client: p.Client, Observer: p.Observer, Events: p.Events}
			p.look(t)
			time.Sleep(30 * time.Second)
		}
	})
}

func TestNewNodePassesTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClinic()
		c.Now = time.Now()
		c.addNode("n1")
		c.young("n1", time.Minute)
		c.ready(corev1.ConditionFalse, time.Minute)
		for i := range c.Objects.Pods {
			c.Objects.Pods[i].Status.Conditions[0].Status = corev1.ConditionFalse
		}
		p := open(t, c)
		expect := func(when string, status corev1.ConditionStatus, reason string) {
			t.Helper()
			p.look(t)
			if v := condition(p.node(t, "n1"), v1alpha1.NodeConditionProblem); v.Status != status || v.Reason != reason {
				t.Fatalf("%s: %+v, want %s %s", when, v, status, reason)
			}
		}
		expect("registered", corev1.ConditionUnknown, ReasonJoining)
		p.kubelet(t, "n1", corev1.ConditionTrue)
		expect("Ready, and kube-proxy starts", corev1.ConditionUnknown, ReasonJoining)
		var pod corev1.Pod
		if err := p.api.Get(t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "kube-proxy-n1"}, &pod); err != nil {
			t.Fatal(err)
		}
		pod.Status.Conditions[0].Status = corev1.ConditionTrue
		if err := p.api.Status().Update(t.Context(), &pod); err != nil {
			t.Fatal(err)
		}
		expect("all is there", corev1.ConditionFalse, ReasonPassed)
		if diff := cmp.Diff([]string{"Normal NodePassed"}, p.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestBrakeStandsOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 5, repairs(v1alpha1.RepairOn))
		p.look(t)
		for _, n := range []string{"n1", "n2"} {
			p.kubelet(t, n, corev1.ConditionUnknown)
		}
		for range 30 {
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		c := meta.FindStatusCondition(p.pool(t).Status.Conditions, v1alpha1.ConditionBraked)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != string(BrakeTooManyBroken) || !strings.Contains(c.Message, "2 of 5") {
			t.Fatalf("condition %+v", c)
		}
		p.kubelet(t, "n2", corev1.ConditionTrue)
		time.Sleep(time.Minute)
		p.look(t)
		if c := meta.FindStatusCondition(p.pool(t).Status.Conditions, v1alpha1.ConditionBraked); c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "calm since") {
			t.Errorf("the brake opens before calm has lasted: %+v", c)
		}
		// A restart forgets nothing of it.
		p.Loop = &Loop{Client: p.Client, Observer: p.Observer, Events: p.Events}
		for range 60 {
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		if c := meta.FindStatusCondition(p.pool(t).Status.Conditions, v1alpha1.ConditionBraked); c.Status != metav1.ConditionFalse {
			t.Errorf("the brake stays closed: %+v", c)
		}
		if p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle] == "" {
			t.Error("n1 is broken for long, the brake is open, and nothing is asked")
		}
		// Switched off, everything goes: the brake, and the request.
		pool := p.pool(t)
		pool.Spec.Repair = nil
		if err := p.api.Update(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		p.look(t)
		if c := meta.FindStatusCondition(p.pool(t).Status.Conditions, v1alpha1.ConditionBraked); c != nil {
			t.Errorf("repair is off, and the brake is still there: %+v", c)
		}
		if v, ok := p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle]; ok {
			t.Errorf("repair is off, and the request is still there: %s", v)
		}
	})
}

func TestCleanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 2)
		before := p.node(t, "n1")
		p.look(t)
		pool := p.pool(t)
		pool.Spec.Scale = nil
		if err := p.api.Update(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		p.look(t)
		n := p.node(t, "n1")
		if diff := cmp.Diff(before.Status.Conditions, n.Status.Conditions); diff != "" {
			t.Errorf("something stayed on the node:\n%s", diff)
		}
		*p.writes = 0
		time.Sleep(10 * time.Minute)
		p.look(t)
		if *p.writes != 0 {
			t.Errorf("%d writes to a cluster that opted out", *p.writes)
		}
	})
}

// One node that cannot be written does not keep the others from their verdict.
func TestOneRefusedWriteStaysOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 3)
		p.Client = interceptor.NewClient(p.api.(client.WithWatch), interceptor.Funcs{
			SubResourceApply: func(ctx context.Context, w client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				if name, ok := o.(interface{ GetName() *string }); ok && *name.GetName() == "n1" {
					return errors.New("admission refused")
				}
				return w.SubResource(sub).Apply(ctx, o, opts...)
			}})
		if _, err := p.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "n1") {
			t.Errorf("error %v, want one that names n1", err)
		}
		for name, want := range map[string]bool{"n1": false, "n2": true, "n3": true} {
			if got := condition(p.node(t, name), v1alpha1.NodeConditionProblem) != nil; got != want {
				t.Errorf("%s written: %v, want %v", name, got, want)
			}
		}
	})
}

func TestDryRunSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 5, repairs(v1alpha1.RepairDryRun))
		p.look(t)
		p.kubelet(t, "n1", corev1.ConditionUnknown)
		for range 40 {
			time.Sleep(30 * time.Second)
			p.look(t)
		}
		if _, ok := p.node(t, "n1").Annotations[v1alpha1.AnnotationCycle]; ok {
			t.Error("a dry run asked for a replacement")
		}
		if diff := cmp.Diff([]string{"Warning NodeProblem", "Normal RepairDryRun"}, p.told()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestRunWakesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 1)
		wake := make(chan struct{}, 1)
		p.Interval, p.Wake = time.Hour, wake
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
		defer func() { cancel(); done.Wait() }()
		time.Sleep(time.Minute)
		p.kubelet(t, "n1", corev1.ConditionUnknown)
		wake <- struct{}{}
		time.Sleep(2 * time.Second)
		if c := condition(p.node(t, "n1"), v1alpha1.NodeConditionProblem); c.Status != corev1.ConditionTrue {
			t.Errorf("woken, and still %+v", c)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 5, repairs(v1alpha1.RepairOn))
		r := prometheus.NewPedanticRegistry()
		if err := p.Register(r); err != nil {
			t.Fatal(err)
		}
		p.look(t)
		p.kubelet(t, "n1", corev1.ConditionUnknown)
		p.look(t)
		want := `
# HELP tidemill_doctor_nodes Nodes by verdict: True has a problem, False is fine, Unknown is not examined.
# TYPE tidemill_doctor_nodes gauge
tidemill_doctor_nodes{verdict="False"} 4
tidemill_doctor_nodes{verdict="True"} 1
tidemill_doctor_nodes{verdict="Unknown"} 0
# HELP tidemill_doctor_braked 1 while repair of the pool is stopped for a common cause.
# TYPE tidemill_doctor_braked gauge
tidemill_doctor_braked{pool="workers"} 0
`
		if err := testutil.GatherAndCompare(r, strings.NewReader(want), "tidemill_doctor_nodes", "tidemill_doctor_braked"); err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(r, "tidemill_doctor_check_status"); err != nil || n > len(Checks())*len(states()) {
			t.Errorf("%d series of check_status, %v: they must not grow with the nodes", n, err)
		}
	})
}

func TestExamineChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 3)
		p.kubelet(t, "n2", corev1.ConditionFalse)
		r, err := Examine(t.Context(), ExamineOptions{Observer: p.Observer, Reader: p.Client})
		if err != nil {
			t.Fatal(err)
		}
		if *p.writes != 0 {
			t.Errorf("%d writes", *p.writes)
		}
		if r.ExitCode(Fail) != ExitFindings || len(r.Nodes) != 3 || r.Nodes[1].Verdict.Reason != "Ready" {
			t.Errorf("report: exit %d, %+v", r.ExitCode(Fail), r.Nodes[1].Verdict)
		}
	})
}
