package e2e

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// DemoPolicies opt the demo's three pools in to everything. Scale-down takes its
// time until the last step, so that each step finds the nodes of the one before.
func DemoPolicies() map[string]v1alpha1.PoolSpec {
	policies := map[string]v1alpha1.PoolSpec{
		"workers": Policy(3, 12, 3),
		"arm":     Policy(1, 4, 1),
		"gpu":     Policy(0, 2, 1),
	}
	for _, p := range policies {
		p.Scale.Down.UnneededFor.Duration = time.Minute
	}
	return policies
}

// Policy opts a pool in to all verbs, with a surge of so many nodes and with
// waits that fit a story.
func Policy(least, most, surge int) v1alpha1.PoolSpec {
	maxSurge, none := intstr.FromInt(surge), intstr.FromInt(0)
	return v1alpha1.PoolSpec{
		Scale: &v1alpha1.ScaleSpec{MinSize: int32(least), MaxSize: int32(most), Down: &v1alpha1.ScaleDownSpec{
			UnneededFor: &metav1.Duration{Duration: 6 * time.Second}}},
		Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: &maxSurge, MaxUnavailable: &none,
			Drain: &v1alpha1.DrainSpec{Timeout: &metav1.Duration{Duration: 2 * time.Minute}}},
		// Stories last minutes: what repair waits out in hours would be never here.
		Repair: &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn, After: &metav1.Duration{Duration: 3 * time.Second},
			Actions: []v1alpha1.RepairAction{v1alpha1.ActionReplace}, Young: &metav1.Duration{Duration: time.Second},
			Brake: &v1alpha1.BrakeSpec{Hold: &metav1.Duration{Duration: 5 * time.Second}}},
	}
}

// optIn waits until discovery has made a Pool for each node pool and gives each
// its policy.
func (e *Env) optIn(ctx context.Context) error {
	policies := e.options.Policies
	if policies == nil {
		policies = DemoPolicies()
	}
	patience := 2 * time.Minute
	if e.options.Crowded {
		patience = 5 * time.Minute
	}
	for _, p := range e.Sim.Pools() {
		var found *v1alpha1.Pool
		err := Until(ctx, "Pool "+p.Name+" to be discovered", patience, nil, func(ctx context.Context) (bool, string, error) {
			var err error
			if err = e.Daemon.Err(); err != nil {
				return false, "", err
			}
			found, err = e.Pool(ctx, p.Name)
			return err == nil, "it does not exist", client.IgnoreNotFound(err)
		})
		if err != nil {
			return err
		}
		policy, ok := policies[found.Name]
		if !ok {
			continue
		}
		if policy.Scale != nil {
			e.Watcher.Bound(p.ID, int(policy.Scale.MaxSize))
		}
		if err := e.ChangePool(ctx, found.Name, func(o *v1alpha1.Pool) {
			policy.NodePoolID = o.Spec.NodePoolID
			o.Spec = policy
		}); err != nil {
			return err
		}
	}
	return nil
}

// Pool reads a Pool object.
func (e *Env) Pool(ctx context.Context, name string) (*v1alpha1.Pool, error) {
	var p v1alpha1.Pool
	if err := e.Client.Get(ctx, client.ObjectKey{Name: name}, &p); err != nil {
		return nil, fmt.Errorf("get pool %s: %w", name, err)
	}
	return &p, nil
}

// ChangePool updates a Pool object as a person with an editor does.
func (e *Env) ChangePool(ctx context.Context, name string, change func(*v1alpha1.Pool)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		p, err := e.Pool(ctx, name)
		if err != nil {
			return err
		}
		change(p)
		err = e.Client.Update(ctx, p)
		if err != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("update pool %s: %w", name, err)
		}
		return err
	})
}

// tuneDown changes how a pool is scaled down.
func (e *Env) tuneDown(ctx context.Context, pool string, disabled bool, unneededFor time.Duration) error {
	return e.ChangePool(ctx, pool, func(p *v1alpha1.Pool) {
		p.Spec.Scale.Down = &v1alpha1.ScaleDownSpec{Disabled: disabled, UnneededFor: &metav1.Duration{Duration: unneededFor}}
	})
}

// Annotate sets an annotation of a Pool.
func (e *Env) Annotate(ctx context.Context, pool, key, value string) error {
	return e.ChangePool(ctx, pool, func(p *v1alpha1.Pool) { metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, value) })
}

// CloudPool is the node pool as the cloud sees it, by its name.
func (e *Env) CloudPool(name string) (okesim.PoolView, error) {
	for _, p := range e.Sim.Pools() {
		if p.Name == name {
			return p, nil
		}
	}
	return okesim.PoolView{}, fmt.Errorf("the cloud has no node pool %s", name)
}

// Size is what was asked of the cloud for a node pool; -1 when it is gone.
func (e *Env) Size(name string) int {
	p, err := e.CloudPool(name)
	if err != nil {
		return -1
	}
	return p.Size
}

// NodesOf are the Nodes of a node pool and all pods of the cluster.
func (e *Env) NodesOf(ctx context.Context, pool string) ([]corev1.Node, []corev1.Pod, error) {
	var nodes corev1.NodeList
	var pods corev1.PodList
	if err := e.Client.List(ctx, &pods); err != nil {
		return nil, nil, fmt.Errorf("list pods: %w", err)
	}
	if err := e.Client.List(ctx, &nodes); err != nil {
		return nil, nil, fmt.Errorf("list nodes: %w", err)
	}
	cloud, err := e.CloudPool(pool)
	if err != nil {
		return nil, nil, err
	}
	var list []corev1.Node
	for _, n := range nodes.Items {
		if n.Annotations[v1alpha1.AnnotationNodePoolID] == cloud.ID {
			list = append(list, n)
		}
	}
	return list, pods.Items, nil
}

// condition is a Pool's condition, an empty one if it does not stand.
func condition(p *v1alpha1.Pool, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(p.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind}
}

// fastConfig is the administrator's, without the client's own rate limit.
func (e *Env) fastConfig() *rest.Config {
	c := e.Cluster.RESTConfig()
	c.QPS, c.UserAgent = -1, "story"
	return c
}
