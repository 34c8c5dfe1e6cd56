package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

// crowd is the namespace of a crowd's pods.
const crowd = "crowd"

// CrowdedPools are [OnePool] and pools for a crowd: no pool of OKE may have more
// than a thousand nodes.
func CrowdedPools(kubelets, nodes int) []okesim.Pool {
	all := OnePool(kubelets)
	for range (nodes + perPool - 1) / perPool {
		p := OnePool(0)[0]
		p.Name = fmt.Sprintf("crowd-%d", len(all))
		all = append(all, p)
	}
	return all
}

// perPool leaves room to grow.
const perPool = 700

// CrowdedPolicies opt them in to all verbs, at the pace that they have by default.
func CrowdedPolicies(pools []okesim.Pool) map[string]v1alpha1.PoolSpec {
	all := map[string]v1alpha1.PoolSpec{}
	for _, p := range pools {
		spec := Policy(p.Size, 1_000, 1)
		spec.Scale.Down, spec.Repair = nil, &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}
		all[p.Name] = spec
	}
	return all
}

// Crowd adds so many machines, evenly to all pools but the first, and makes Nodes
// and running pods of them as a cluster has them, down to the images on a Node
// and the token volume of a pod:
//
//	okesim ── instances ──► Nodes, leases, pods and owners ──► etcd ──► API server ──► daemon
//	                                   └── heartbeats as kubelets send them
//
// To the daemon it is a cluster of that size; what is not there are the kubelets,
// which would need more than the machine that this runs on. The Nodes' leases
// are renewed every ten seconds, and every five minutes each Node reports, until
// Close. New machines of these pools do not register from now on.
func (e *Env) Crowd(ctx context.Context, nodes, perNode int) error {
	if err := e.sparePods(ctx); err != nil {
		return err
	}
	var members []okesim.Instance
	for i, pools := 1, e.options.Pools; i < len(pools); i++ {
		id := e.Cluster.PoolID(pools[i].Name)
		e.Cluster.RefuseJoins(id, true)
		more, err := e.enlarge(ctx, id, nodes*i/(len(pools)-1)-nodes*(i-1)/(len(pools)-1))
		if err != nil {
			return err
		}
		members = append(members, more...)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: crowd}}
	if err := e.Client.Create(ctx, space); err != nil {
		return fmt.Errorf("create namespace %s: %w", crowd, err)
	}
	var machines, pods []playground.Stored
	var names []string
	for i, m := range members {
		n := crowdNode(m)
		names = append(names, n.Name)
		machines = append(machines, playground.Stored{Path: "minions/" + n.Name, Object: n}, leaseOf(n.Name))
		for j := range perNode {
			p := crowdPod(n, i, j)
			pods = append(pods, playground.Stored{Path: "pods/" + crowd + "/" + p.Name, Object: p})
		}
	}
	if err := e.Cluster.Store(ctx, machines...); err != nil {
		return err
	}
	// The pods may take longer than a lease lasts.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stopHearts = stop
	e.hearts.Go(func() { e.renew(life, names) })
	e.hearts.Go(func() { e.report(life, names) })
	for _, part := range [][]playground.Stored{crowdOwners(len(members), perNode), pods} {
		if err := e.Cluster.Store(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// sparePods keeps the system's DaemonSets off Nodes without a kubelet: pods that
// nobody starts would count as broken.
func (e *Env) sparePods(ctx context.Context) error {
	var sets appsv1.DaemonSetList
	if err := e.Client.List(ctx, &sets); err != nil {
		return fmt.Errorf("list DaemonSets: %w", err)
	}
	for i := range sets.Items {
		old, now := sets.Items[i].DeepCopy(), &sets.Items[i]
		now.Spec.Template.Spec.NodeSelector = playground.OnlyKubelets()
		if err := e.Client.Patch(ctx, now, client.MergeFrom(old)); err != nil {
			return fmt.Errorf("keep DaemonSet %s off Nodes without a kubelet: %w", now.Name, err)
		}
	}
	return nil
}

// enlarge adds machines to the pool and waits until they run.
func (e *Env) enlarge(ctx context.Context, id string, more int) ([]okesim.Instance, error) {
	old := map[string]bool{}
	for _, in := range e.Sim.Instances() {
		old[in.ID] = true
	}
	pool, err := e.Sim.Pool(id)
	if err != nil {
		return nil, fmt.Errorf("enlarge pool: %w", err)
	}
	size := pool.Size + more
	if _, err := e.Sim.UpdatePool(id, okesim.PoolUpdate{Size: &size}, ""); err != nil {
		return nil, fmt.Errorf("enlarge pool %s: %w", pool.Name, err)
	}
	var fresh []okesim.Instance
	err = Until(ctx, "machines to run", 2*time.Minute, e.options.Say, func(context.Context) (bool, string, error) {
		fresh = nil
		for _, in := range e.Sim.Instances() {
			if !old[in.ID] && in.PoolID == id && in.State == "RUNNING" {
				fresh = append(fresh, in)
			}
		}
		return len(fresh) == more, fmt.Sprintf("%d of %d machines run", len(fresh), more), nil
	})
	return fresh, err
}

// Kubelets renew a lease every ten seconds and report every five minutes when
// nothing has changed.
const (
	renewEvery  = 10 * time.Second
	reportEvery = 5 * time.Minute
)

func (e *Env) renew(ctx context.Context, nodes []string) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		all := make([]playground.Stored, len(nodes))
		for i, n := range nodes {
			all[i] = leaseOf(n)
		}
		if err := e.Cluster.Store(ctx, all...); err != nil {
			e.note(err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// report is what kubelets write into their Nodes: times, and nothing new.
func (e *Env) report(ctx context.Context, nodes []string) {
	tick := time.NewTicker(reportEvery / time.Duration(len(nodes)))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := metav1.Now().UTC().Format(time.RFC3339)
		patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","lastHeartbeatTime":%q},{"type":"DiskPressure","lastHeartbeatTime":%q}]}}`, at, at)
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodes[i%len(nodes)]}}
		if err := e.Client.Status().Patch(ctx, n, client.RawPatch(types.StrategicMergePatchType, []byte(patch))); err != nil {
			e.note(err)
		}
	}
}

// note tells that a heartbeat was lost. One is no matter, a kubelet loses some
// too.
func (e *Env) note(err error) {
	if e.options.Say != nil && !errors.Is(err, context.Canceled) {
		e.options.Say(err.Error())
	}
}

func leaseOf(node string) playground.Stored {
	now, seconds := metav1.NowMicro(), int32(40)
	return playground.Stored{Path: "leases/" + corev1.NamespaceNodeLease + "/" + node, Object: &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: node, Namespace: corev1.NamespaceNodeLease, UID: uid("lease", node), CreationTimestamp: metav1.Now()},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &node, LeaseDurationSeconds: &seconds, RenewTime: &now},
	}}
}
