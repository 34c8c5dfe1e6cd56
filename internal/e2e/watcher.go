package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// look is how often the emulated cloud is looked at. It answers from memory, and
// no state of a machine's life is shorter.
const look = 50 * time.Millisecond

// Watcher follows a cluster and its cloud from outside and feeds a Referee.
type Watcher struct {
	*Referee

	sim     *okesim.Sim
	client  client.Client
	factory informers.SharedInformerFactory
	stop    context.CancelFunc
	done    sync.WaitGroup
	blind   atomic.Bool
}

// Blind says that the API server is away: what happens in the cloud is not judged
// by a picture of the cluster that has stood still, until it is [Watcher.Caught] up.
func (w *Watcher) Blind(yes bool) { w.blind.Store(yes) }

// Caught is whether the watches know the pods and Nodes that there are, and no
// others: after an outage each of them takes its own time to list anew.
func (w *Watcher) Caught(ctx context.Context) (bool, error) {
	var pods corev1.PodList
	var nodes corev1.NodeList
	if err := errors.Join(w.client.List(ctx, &pods), w.client.List(ctx, &nodes)); err != nil {
		return false, err
	}
	core := w.factory.Core().V1()
	knownPods, err := core.Pods().Lister().List(labels.Everything())
	if err != nil {
		return false, err
	}
	knownNodes, err := core.Nodes().Lister().List(labels.Everything())
	return maps.Equal(versions(knownPods), versions(pointers(pods.Items))) && maps.Equal(versions(knownNodes), versions(pointers(nodes.Items))), err
}

// versions are the objects by what never comes twice, each with its version.
func versions[T client.Object](list []T) map[types.UID]string {
	all := map[types.UID]string{}
	for _, o := range list {
		all[o.GetUID()] = o.GetResourceVersion()
	}
	return all
}

func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}

// Watch begins to watch. It returns when the first look at everything is done.
func Watch(ctx context.Context, kube kubernetes.Interface, c client.Client, sim *okesim.Sim) (*Watcher, error) {
	names := map[string]string{}
	for _, p := range sim.Pools() {
		names[p.ID] = p.Name
	}
	w := &Watcher{Referee: NewReferee(names), sim: sim, client: c, factory: informers.NewSharedInformerFactory(kube, 0)}
	if err := w.follow(); err != nil {
		return nil, err
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.factory.Start(ctx.Done())
	for kind, ok := range w.factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			w.Close()
			return nil, fmt.Errorf("watch %v: %w", kind, context.Cause(ctx))
		}
	}
	w.done.Add(1)
	go w.poll(ctx)
	return w, nil
}

// Close ends the watching.
func (w *Watcher) Close() {
	w.stop()
	w.factory.Shutdown()
	w.done.Wait()
}

// follow hands every change of Nodes and pods to the referee. The handlers of one
// informer are called one after the other, in the order of the watch.
func (w *Watcher) follow() error {
	_, err := w.factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.SeeNode(viewNode(o.(*corev1.Node)), time.Now()) },
		UpdateFunc: func(_, o any) { w.SeeNode(viewNode(o.(*corev1.Node)), time.Now()) },
		DeleteFunc: func(o any) { w.LoseNode(keyOf(o).Name, time.Now()) },
	})
	if err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	_, err = w.factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.SeePod(viewPod(o.(*corev1.Pod)), time.Now()) },
		UpdateFunc: func(_, o any) { w.SeePod(viewPod(o.(*corev1.Pod)), time.Now()) },
		DeleteFunc: func(o any) { w.LosePod(keyOf(o)) },
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	return nil
}

// keyOf is the name of a deleted object, or of what is left of one whose end was
// missed while the watch was away.
func keyOf(o any) types.NamespacedName {
	key, err := cache.DeletionHandlingObjectToName(o)
	if err != nil {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
}

// poll looks at the machines, and now and then at the Pools: what they may
// have, and whether scaling has raised a run.
func (w *Watcher) poll(ctx context.Context) {
	defer w.done.Done()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for i := 0; ; i++ {
		var list []MachineView
		for _, in := range w.sim.Instances() {
			list = append(list, viewMachine(in))
		}
		if !w.blind.Load() {
			w.catchUp(ctx, list)
			w.SeeMachines(list, time.Now())
		}
		if i%10 == 0 {
			w.lookAtPools(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// catchUp lets the watches bring what stands in the API server by now, before the
// end of a machine is judged by it: the cloud is looked at itself, and a watch is
// late when the machine is busy. A watch that brings nothing at all is not waited for.
func (w *Watcher) catchUp(ctx context.Context, list []MachineView) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for len(w.suspects(list)) > 0 {
		late := false
		for _, n := range w.suspects(list) {
			ok, err := w.late(ctx, n)
			late = late || ok || err != nil
		}
		if !late || ctx.Err() != nil {
			return
		}
		time.Sleep(look / 10)
	}
}

// late is whether the API server knows better of a Node than its view does: it is
// cordoned and empty, or gone.
func (w *Watcher) late(ctx context.Context, view NodeView) (bool, error) {
	var n corev1.Node
	var pods corev1.PodList
	if err := w.client.Get(ctx, client.ObjectKey{Name: view.Name}, &n); err != nil || n.Spec.ProviderID != view.Machine {
		return w.knows(view), client.IgnoreNotFound(err)
	}
	if err := w.client.List(ctx, &pods); err != nil {
		return false, err
	}
	now := viewNode(&n)
	empty := !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return viewPod(&p).residesOn(now) })
	return now.Cordoned && empty, nil
}

func (w *Watcher) lookAtPools(ctx context.Context) {
	var pools v1alpha1.PoolList
	if w.client.List(ctx, &pools) != nil {
		return // the next look is half a second away
	}
	for _, p := range pools.Items {
		if p.Status.Cycle != nil {
			w.Raise(p.Status.NodePoolID, int(p.Status.Cycle.Desired), time.Now())
		}
	}
}

// WriteRecord writes every change, one a line.
func (w *Watcher) WriteRecord(to io.Writer) error {
	for _, c := range w.Record() {
		if _, err := fmt.Fprintln(to, c); err != nil {
			return fmt.Errorf("write record: %w", err)
		}
	}
	return nil
}
