package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// budgetThatNeverAllows: one node of many cannot be emptied. The others are
// replaced, and it is reported with the budget's name and numbers.
func budgetThatNeverAllows(ctx context.Context, s *Stage, pool string) error {
	lonely := in(pool, Workload{Name: "lonely", Replicas: 1})
	if err := s.settled(ctx, lonely); err != nil {
		return err
	}
	if err := s.Client.Create(ctx, pdb("lonely", 0, lonely.labels())); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the stuck node to be reported", 3*time.Minute, s.said(pool, "EvictionBlocked", "PDBZero", "PodDisruptionBudget shop/lonely allows 0 disruptions: 1 of 1 pods are healthy, 1 must be")); err != nil {
		return err
	}
	if err := s.Wait(ctx, "all others to be replaced", 3*time.Minute, s.left(pool, before, 1)); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the node to be given back", 2*time.Minute, s.said(pool, "DrainSkipped", "shop/lonely")); err != nil {
		return err
	}
	out, talk, code, err := s.CLI(ctx, "plan", "cycle", pool)
	if err != nil || code != 1 {
		return fmt.Errorf("tidemill plan cycle ended with %d, want 1: %s%s %w", code, out, talk, err)
	}
	s.Checked("%d of %d replaced, 1 reported with its budget and numbers; plan cycle says no", len(before)-1, len(before))
	return s.given(ctx, pool)
}

// twoBudgetsOnAPod: the Eviction API refuses such a pod for ever. Somebody takes
// one of the budgets away, and the run goes on by itself.
func twoBudgetsOnAPod(ctx context.Context, s *Stage, pool string) error {
	double := in(pool, Workload{Name: "double", Replicas: 2})
	if err := s.settled(ctx, double); err != nil {
		return err
	}
	for _, name := range []string{"double-a", "double-b"} {
		if err := s.Client.Create(ctx, pdb(name, 1, double.labels())); err != nil {
			return err
		}
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "both budgets to be named", 2*time.Minute, s.said(pool, "EvictionBlocked", "TooManyPDBs", "shop/double-a, shop/double-b")); err != nil {
		return err
	}
	if err := s.Client.Delete(ctx, pdb("double-b", 1, nil)); err != nil {
		return err
	}
	s.Checked("both budgets named; one gone, it went on")
	return s.finished(ctx, pool, before)
}

// podOfNobodys: a pod that nobody would make again is not evicted.
func podOfNobodys(ctx context.Context, s *Stage, pool string) error {
	pod := barePod(pool, "bare")
	if err := s.Client.Create(ctx, pod); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the pod to run", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return viewPod(pod).Ready, string(pod.Status.Phase), err
	}); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the pod to be named", 2*time.Minute, s.said(pool, "EvictionBlocked", "shop/bare", "Unmanaged")); err != nil {
		return err
	}
	if err := s.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil || pod.DeletionTimestamp != nil {
		return errors.Join(err, fmt.Errorf("the pod was asked to leave"))
	}
	if err := s.Client.Delete(ctx, pod); err != nil {
		return err
	}
	s.Checked("left alone and named; gone by its owner's hand, the run went on")
	return s.finished(ctx, pool, before)
}

// primaryMovesByItself: the budget over the primary never allows anything, and its
// operator moves the primary away from a node that is cordoned, to one that is not.
func primaryMovesByItself(ctx context.Context, s *Stage, pool string) error {
	db := in(pool, Workload{Name: "cnpg", Replicas: 3})
	if err := s.settled(ctx, db); err != nil {
		return err
	}
	primary := map[string]string{"role": "primary"}
	if err := s.Client.Create(ctx, pdb("cnpg-primary", 0, primary)); err != nil {
		return err
	}
	moves := 0
	operate := func(ctx context.Context) error { return s.operate(ctx, db, &moves) }
	if err := operate(ctx); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	over := s.ended(pool, "go", "Succeeded")
	if err := s.Wait(ctx, "the turn-over", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		if err := operate(ctx); err != nil {
			return false, "", err
		}
		return over(ctx)
	}); err != nil {
		return err
	}
	s.Checked("the primary moved %d times, a budget of 0 notwithstanding", moves)
	return s.finished(ctx, pool, before)
}

// operate makes a ready pod on a schedulable node the primary, if there is none.
func (s *Stage) operate(ctx context.Context, db Workload, moves *int) error {
	pods, err := s.Pods(ctx, db)
	if err != nil {
		return err
	}
	var nodes corev1.NodeList
	if err := s.Client.List(ctx, &nodes); err != nil {
		return err
	}
	open := map[string]bool{}
	for _, n := range nodes.Items {
		open[n.Name] = !n.Spec.Unschedulable && viewNode(&n).Ready
	}
	var was, next *corev1.Pod
	for i := range pods {
		p := &pods[i]
		v := viewPod(p)
		switch {
		case p.Labels["role"] == "primary" && !v.Leaving:
			was = p
		case v.Ready && !v.Leaving && open[p.Spec.NodeName]:
			next = p
		}
	}
	if next == nil || was != nil && open[was.Spec.NodeName] {
		return nil
	}
	for p, role := range map[*corev1.Pod]string{was: "replica", next: "primary"} {
		if p == nil {
			continue
		}
		old := p.DeepCopy()
		p.Labels["role"] = role
		if err := client.IgnoreNotFound(s.Client.Patch(ctx, p, client.MergeFrom(old))); err != nil {
			return err
		}
	}
	*moves++
	return nil
}

// drainsThatBlockEachOther: both nodes are emptied at once, each holds a pod that
// waits for one that could run on the other only. The younger drain gives way.
func drainsThatBlockEachOther(ctx context.Context, s *Stage, pool string) error {
	nodes, _, err := s.NodesOf(ctx, pool)
	if err != nil || len(nodes) != 2 {
		return errors.Join(err, fmt.Errorf("%d nodes", len(nodes)))
	}
	a, b := nodes[0].Labels[corev1.LabelHostname], nodes[1].Labels[corev1.LabelHostname]
	// p leaves A first, and q leaves B first: the others are protected until then.
	for _, w := range []struct {
		app, host string
		kept      bool
	}{{"p", a, false}, {"p", b, true}, {"q", a, true}, {"q", b, false}} {
		d := in(pool, Workload{Name: "twin-" + w.app + "-" + map[bool]string{true: "kept", false: "first"}[w.kept], Replicas: 1}).deployment()
		d.Spec.Template.Spec.NodeSelector[corev1.LabelHostname] = w.host
		d.Spec.Template.Labels["twin"] = w.app
		if w.kept {
			d.Spec.Template.Annotations[v1alpha1.AnnotationDoNotDisrupt] = "true"
		}
		if err := s.Client.Create(ctx, d); err != nil {
			return err
		}
	}
	for _, app := range []string{"p", "q"} {
		if err := s.Client.Create(ctx, pdb("twin-"+app, 1, map[string]string{"twin": app})); err != nil {
			return err
		}
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.unprotect(ctx, "twin-p-first", "twin-q-first", "twin-p-kept", "twin-q-kept"); err != nil {
		return err
	}
	if err := s.Wait(ctx, "one of the drains to give way", 3*time.Minute, s.said(pool, "DrainSkipped", "PeerDeadlock", "drains wait for each other")); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the other to go on", 2*time.Minute, s.left(pool, before, 1)); err != nil {
		return err
	}
	s.Checked("the younger drain gave way, the older node went")
	return s.given(ctx, pool)
}

// unprotect waits until the successors of the first two wait for a node, and lets
// the pods of the others be evicted then.
func (s *Stage) unprotect(ctx context.Context, p, q string, kept ...string) error {
	err := s.Wait(ctx, "the first two to have left", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		for _, name := range []string{p, q} {
			pods, err := s.Pods(ctx, Workload{Name: name})
			if err != nil {
				return false, "", err
			}
			if len(pods) != 1 || pods[0].Spec.NodeName != "" {
				return false, name + " has not left", nil
			}
		}
		return true, "", nil
	})
	if err != nil {
		return err
	}
	for _, name := range kept {
		pods, err := s.Pods(ctx, Workload{Name: name})
		if err != nil {
			return err
		}
		for i := range pods {
			old := pods[i].DeepCopy()
			delete(pods[i].Annotations, v1alpha1.AnnotationDoNotDisrupt)
			if err := s.Client.Patch(ctx, &pods[i], client.MergeFrom(old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// jobsMayComplete: the Job's pod is waited for, and completes.
func jobsMayComplete(ctx context.Context, s *Stage, pool string) error {
	j := job(pool, "batch", "30s")
	if err := s.Client.Create(ctx, j); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the Job to run", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(j), j)
		return j.Status.Ready != nil && *j.Status.Ready == 1, fmt.Sprintf("%d pods active", j.Status.Active), err
	}); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.finished(ctx, pool, before); err != nil {
		return err
	}
	var after batchv1.Job
	if err := s.Client.Get(ctx, client.ObjectKeyFromObject(j), &after); err != nil || after.Status.Succeeded != 1 || after.Status.Failed != 0 {
		return errors.Join(err, fmt.Errorf("the Job has %d succeeded and %d failed pods", after.Status.Succeeded, after.Status.Failed))
	}
	s.Checked("the Job completed, its pod was not evicted")
	return nil
}
