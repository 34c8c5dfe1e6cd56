package e2e

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// watched tells a run under the referee's eyes: the bounds of the pool's policy hold
// from before the request until the story's end, and the load's budget too.
func (s *Stage) watched(ctx context.Context, pool string, load *Workload, tell func(before Fleet) error) (Seen, error) {
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return Seen{}, err
	}
	run, err := s.bounds(ctx, pool, cloud.Size)
	if err != nil {
		return Seen{}, err
	}
	if load != nil {
		if err := s.settled(ctx, *load); err != nil {
			return Seen{}, err
		}
		s.Watcher.Guard(load.Name, Guard{Namespace: shop, Selector: labels.SelectorFromSet(load.labels()), Min: int(load.Replicas) - load.Spare})
		defer s.Watcher.Unguard(load.Name)
	}
	before, err := s.fleet(ctx, pool)
	if err != nil {
		return Seen{}, err
	}
	run.Since = time.Now().Truncate(time.Second)
	s.Watcher.Begin(cloud.ID, run)
	err = tell(before)
	return s.Watcher.End(cloud.ID, time.Now()), err
}

// answered waits for the end of the run for this request.
func (s *Stage) answered(ctx context.Context, t Turn) error {
	return s.Wait(ctx, "the run of "+t.Pool+" for "+t.Key+"="+t.Value, 5*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, t.Pool)
		if err != nil {
			return false, "", err
		}
		c := condition(p, v1alpha1.ConditionCycling)
		return s.runEnded(p, t), fmt.Sprintf("%s: %s; %s", c.Reason, c.Message, p.Status.Activity), refused(p, t)
	})
}

// ledger is a set of one pod with a volume of its own: the pod is not made again
// before the old one is known to be gone, nor started before the volume is free.
func ledger(pool, name string) *appsv1.StatefulSet {
	d := in(pool, Workload{Name: name, Replicas: 1}).deployment()
	d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name},
		Spec: appsv1.StatefulSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template, ServiceName: name}}
}

// kept deploys a ledger with its volume, and says on which node it has settled.
func (s *Stage) kept(ctx context.Context, pool, name string) (*attacher, *corev1.Node, error) {
	if err := s.volume(ctx, name); err != nil {
		return nil, nil, err
	}
	if err := s.Client.Create(ctx, ledger(pool, name)); err != nil {
		return nil, nil, err
	}
	a := &attacher{s: s, app: name, names: map[string]bool{name: true}, gone: map[string]time.Time{}}
	var on *corev1.Node
	err := s.Wait(ctx, name+" to run with its volume", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		n, err := a.work(ctx)
		if err != nil {
			return false, "", err
		}
		on, err = s.under(ctx, name)
		return on != nil && n == 1, fmt.Sprintf("%d volumes are attached", n), err
	})
	return a, on, err
}

// under is the Node that the ledger's pod runs on; nil while it does not run.
func (s *Stage) under(ctx context.Context, name string) (*corev1.Node, error) {
	var p corev1.Pod
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: shop, Name: name + "-0"}, &p); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	var n corev1.Node
	if v := viewPod(&p); !v.Ready || v.Leaving {
		return nil, nil
	}
	if err := s.Client.Get(ctx, client.ObjectKey{Name: p.Spec.NodeName}, &n); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &n, nil
}

// movedFrom waits until the ledger runs on another node than this one.
func (s *Stage) movedFrom(ctx context.Context, a *attacher, old *corev1.Node, patience time.Duration) error {
	return s.Wait(ctx, a.app+" to run elsewhere", patience, func(ctx context.Context) (bool, string, error) {
		attached, err := a.work(ctx)
		if err != nil {
			return false, "", err
		}
		now, err := s.under(ctx, a.app)
		if err != nil || now == nil {
			return false, a.app + " does not run", err
		}
		return now.UID != old.UID && attached == 1 && viewNode(now).Ready, "it runs on " + now.Name, nil
	})
}

// beside is a probe, while the volumes' controller does its work.
func (a *attacher) beside(probe Probe) Probe {
	return func(ctx context.Context) (bool, string, error) {
		if _, err := a.work(ctx); err != nil {
			return false, "", err
		}
		return probe(ctx)
	}
}
