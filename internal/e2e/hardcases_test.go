package e2e

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

var (
	hard = flag.Bool("hard", false, "tell the hard cases; without it they are left out, since a change is tested in ten minutes or less")
	long = flag.Bool("long", false, "tell them with twenty nodes instead of four")
)

var only = flag.String("case", "", "tell these hard cases alone, by name, commas between")

// hardCase is a pool of its own in the one cluster, and what happens in it. All of
// an evening are told side by side: what one of them does must not disturb the others.
type hardCase struct {
	name  string
	size  int
	surge int
	shape string // one that no other pool has, for whoever plays with capacity
	tune  func(*v1alpha1.CycleSpec)
	tell  func(context.Context, *Stage, string) error
}

// evenings are the clusters that the cases are told in, one after the other.
func evenings() []evening {
	return []evening{{"drains", hardCases()}, {"machines", machineCases()}}
}

type evening struct {
	name  string
	cases []hardCase
}

func hardCases() []hardCase {
	many := 4
	if *long {
		many = 20
	}
	return []hardCase{
		{name: "stuck", size: many, surge: max(many/4, 2), tune: func(c *v1alpha1.CycleSpec) { c.Drain.Timeout.Duration = 8 * time.Second }, tell: budgetThatNeverAllows},
		{name: "two-budgets", size: 2, surge: 1, tell: twoBudgetsOnAPod},
		{name: "bare", size: 2, surge: 1, tell: podOfNobodys},
		{name: "operator", size: 3, surge: 1, tell: primaryMovesByItself},
		{name: "twins", size: 2, surge: 2, tell: drainsThatBlockEachOther},
		{name: "jobs", size: 2, surge: 1, tune: func(c *v1alpha1.CycleSpec) { c.Drain.WaitForJobs = &metav1.Duration{Duration: 2 * time.Minute} }, tell: jobsMayComplete},
		{name: "no-join", size: 2, surge: 1, tune: func(c *v1alpha1.CycleSpec) {
			most := int32(1)
			c.JoinTimeout, c.MaxFailed = &metav1.Duration{Duration: 8 * time.Second}, &most
		}, tell: newcomersThatNeverJoin},
		{name: "full", size: 2, surge: 1, shape: "VM.Standard.E5.Flex", tell: noRoomForAnyMore},
		{name: "edited", size: 3, surge: 1, tell: editsInMidRun},
		{name: "beside", size: 3, surge: 1, tell: scaleDownOfSomebodyElse},
		{name: "data", size: 3, surge: 1, tell: volumesFollowTheirPods},
		{name: "served", size: 3, surge: 1, tell: nothingFailsOutside},
	}
}

// machineCases are about machines that end, places that vanish, and each way of
// renewing a node.
func machineCases() []hardCase {
	return []hardCase{
		{name: "stopped", size: 3, surge: 1, tell: stoppedInTheCloud},
		{name: "silent", size: 3, surge: 1, tell: silentOnly},
		{name: "lost", size: 3, surge: 1, tell: lostInMidRun},
		{name: "zone", size: 6, surge: 2, shape: "VM.Standard.E6.Flex", tell: zoneLoss},
		{name: "in-place", size: 3, surge: 1, tune: strategy(v1alpha1.StrategyInPlace), tell: inPlace},
		{name: "boot-volume", size: 3, surge: 1, tune: strategy(v1alpha1.StrategyBootVolume), tell: newBootVolumes},
		{name: "blue-green", size: 3, surge: 1, tune: func(c *v1alpha1.CycleSpec) {
			c.Strategy, c.BlueGreen = v1alpha1.StrategyBlueGreen, &v1alpha1.BlueGreenSpec{Soak: &metav1.Duration{Duration: time.Minute}}
		}, tell: blueGreenThereAndBack},
		{name: "delegated", size: 3, surge: 1, tune: strategy(v1alpha1.StrategyDelegate), tell: delegated},
		{name: "steered", size: 3, surge: 1, tell: steered},
	}
}

func strategy(how v1alpha1.CycleStrategy) func(*v1alpha1.CycleSpec) {
	return func(c *v1alpha1.CycleSpec) { c.Strategy = how }
}

func (c hardCase) pool() okesim.Pool {
	p := playground.DemoPools()[0]
	if c.shape != "" {
		p.Shape = c.shape
	}
	p.Name, p.Size, p.Labels = c.name, c.size, map[string]string{"case": c.name}
	return p
}

func (c hardCase) policy() v1alpha1.PoolSpec {
	p := Policy(c.size, c.size, c.surge)
	p.Scale, p.Repair = nil, nil
	if c.tune != nil {
		c.tune(p.Cycle)
	}
	return p
}

// TestHardCases tells what makes drains and turn-overs stop elsewhere, each in a
// pool of its own.
func TestHardCases(t *testing.T) {
	if !*hard && !*long && *only == "" {
		t.Skip("ten minutes of stories: make stories tells them")
	}
	for _, a := range evenings() {
		cases := slices.DeleteFunc(a.cases, func(c hardCase) bool { return *only != "" && !slices.Contains(strings.Split(*only, ","), c.name) })
		if len(cases) > 0 {
			t.Run(a.name, func(t *testing.T) { tellAll(t, cases) })
		}
	}
}

func tellAll(t *testing.T, cases []hardCase) {
	// So many nodes on two cores: their kubelets may be late by what elsewhere is death.
	o := Options{Policies: map[string]v1alpha1.PoolSpec{}, Crowded: true, NodeGrace: 40 * time.Second}
	for _, c := range cases {
		o.Pools = append(o.Pools, c.pool())
		o.Policies[c.name] = c.policy()
	}
	env := open(t, o)
	if err := client.IgnoreAlreadyExists(env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}})); err != nil {
		t.Fatal(err)
	}
	// They mostly wait, so that all are told at once, however few cores there are.
	ctx, told := within(t, 12*time.Minute), make(chan string)
	for _, c := range cases {
		go func() {
			begin, s := time.Now(), stage(env)
			s.beside = len(cases) > 1 // what was broken is said when all have ended
			err := c.tell(ctx, s, c.name)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			told <- fmt.Sprintf("%s: %.1f s: %s", c.name, time.Since(begin).Seconds(), strings.Join(s.checked, "; "))
		}()
	}
	for range cases {
		t.Log(<-told)
	}
}

// in puts a workload on a pool.
func in(pool string, w Workload) Workload {
	w.Selector = map[string]string{"case": pool}
	if w.Requests == nil {
		w.Requests = ask("100m", "128Mi")
	}
	return w
}

// settled deploys a workload and waits until it runs.
func (s *Stage) settled(ctx context.Context, w Workload) error {
	if err := s.Deploy(ctx, w); err != nil {
		return err
	}
	return s.Wait(ctx, w.Name+" to run", 2*time.Minute, s.allRun(w))
}

// ended is the probe that the pool's request has come to this outcome.
func (s *Stage) ended(pool, request, outcome string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil {
			return false, "", err
		}
		last := p.Status.LastCycle
		done := p.Status.Cycle == nil && last != nil && last.Request == v1alpha1.AnnotationCycle+"="+request
		if done && last.Outcome != outcome {
			return false, "", fmt.Errorf("the run of %s ended: %s: %s", pool, last.Outcome, last.Message)
		}
		return done, pool + ": " + p.Status.Activity, nil
	}
}

// begun asks for a turn-over and says which machines there were.
func (s *Stage) begun(ctx context.Context, pool string) (Fleet, error) {
	before, err := s.fleet(ctx, pool)
	if err != nil {
		return nil, err
	}
	return before, s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go")
}

// finished waits for the end of the turn-over and checks that all is new and clean.
func (s *Stage) finished(ctx context.Context, pool string, before Fleet) error {
	if err := s.Wait(ctx, "the turn-over of "+pool, 3*time.Minute, s.ended(pool, "go", "Succeeded")); err != nil {
		return err
	}
	return s.turnedWell(ctx, Turn{Pool: pool}, before, len(before))
}

// said is the probe that an event about one of the pool's nodes, or of its Pool,
// has this reason and says all of this.
func (s *Stage) said(pool, reason string, words ...string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		about := map[string]bool{pool: true}
		for _, n := range nodes {
			about[n.Name] = true
		}
		var list corev1.EventList
		if err := s.Client.List(ctx, &list); err != nil {
			return false, "", err
		}
		last := "no event " + reason
		for _, e := range list.Items {
			if e.Reason != reason || !about[e.InvolvedObject.Name] {
				continue
			}
			last = e.Message
			all := true
			for _, w := range words {
				all = all && strings.Contains(e.Message, w)
			}
			if all {
				return true, "", nil
			}
		}
		return false, last, nil
	}
}

// left is the probe that so many of the old machines are left, and nothing is on
// its way.
func (s *Stage) left(pool string, before Fleet, want int) Probe {
	return func(ctx context.Context) (bool, string, error) {
		now, err := s.fleet(ctx, pool)
		return before.stillIn(now) == want, fmt.Sprintf("%d of %d old nodes are left in %s", before.stillIn(now), len(before), pool), err
	}
}

// given ends a run that cannot end by itself, and checks that nothing is left of it.
func (s *Stage) given(ctx context.Context, pool string) error {
	if err := s.Annotate(ctx, pool, v1alpha1.AnnotationAbort, "enough"); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the run of "+pool+" to be aborted", 2*time.Minute, s.ended(pool, "go", "Aborted")); err != nil {
		return err
	}
	return s.Wait(ctx, "no mark to be left in "+pool, time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		var wrong []string
		for i := range nodes {
			wrong = append(wrong, marks(&nodes[i])...)
		}
		return len(wrong) == 0, strings.Join(wrong, "; "), err
	})
}

// pdb is a budget over the pods of these labels.
func pdb(name string, allowed int, labels map[string]string) *policyv1.PodDisruptionBudget {
	n := intstr.FromInt(allowed)
	return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &n, Selector: &metav1.LabelSelector{MatchLabels: labels}}}
}

// barePod is a pod of the pool without a controller.
func barePod(pool, name string) *corev1.Pod {
	d := in(pool, Workload{Name: name, Replicas: 1}).deployment()
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations}, Spec: d.Spec.Template.Spec}
}

// job is a Job whose one pod needs so long.
func job(pool, name, needs string) *batchv1.Job {
	p := barePod(pool, name)
	never, none := p.Spec, int32(0)
	never.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name}, Spec: batchv1.JobSpec{BackoffLimit: &none,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels, Annotations: map[string]string{"playground.tidemill.dev/completes-in": needs}}, Spec: never}}}
}
