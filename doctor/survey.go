package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/lean"
)

// Survey is the look of a one-shot examination, by whoever happens to ask: a
// person with rights on nodes and pods alone, in a cluster where tidemill was
// never installed. It reads what the checks read and nothing else,
//
//	             ┌─ pods, page by page ─► crowd: those that are well are counted
//	API server ──┼─ Nodes, page by page ─► without their images
//	             └─ DaemonSets, attachments, leases, Pools, pod networks, each for itself
//
// and without Nodes alone there is nothing to report. Whatever else cannot be
// read is Unseen: said once, and the checks that need it are Unknown.
type Survey struct {
	// Reader is live: a page is asked for when the last one has been looked at.
	Reader client.Reader
	Fleet  *cloudprovider.Fleet
	// ControlPlane is the API server's version; "" when unknown.
	ControlPlane string
}

// Sizes of a page, by what an object weighs on the wire: a Node comes with a
// hundred images.
const (
	pageOfPods  = 500
	pageOfNodes = 100
	pageOfRest  = 500
	// pageOfPodNetworks is fewer: each carries all addresses of its machine.
	pageOfPodNetworks = 200
)

// pageWithin is how long one page may take: a resource behind a dead extension
// server must not hold up the rest.
const pageWithin = 20 * time.Second

// Look reads all of it.
func (s *Survey) Look(ctx context.Context) (*Look, error) {
	cloud := s.Fleet.Observe(ctx) // the cloud first, as world.Observer does
	var (
		objects   world.Objects
		crowd     = newCrowd()
		leases    map[string]time.Time
		networks  *PodNetworks
		unseen    = Unseen{}
		mu        sync.Mutex
		alongside sync.WaitGroup
	)
	read := func(source Source, do func() error) {
		if err := do(); err != nil {
			mu.Lock()
			defer mu.Unlock()
			unseen[source] = err
		}
	}
	aside := func(source Source, do func() error) { alongside.Go(func() { read(source, do) }) }
	aside(fromDaemonSets, func() (err error) { objects.DaemonSets, err = s.daemonSets(ctx); return err })
	aside(fromAttachments, func() (err error) { objects.Attachments, err = s.attachments(ctx); return err })
	aside(fromPools, func() (err error) { objects.Pools, err = s.pools(ctx); return err })
	aside(fromLeases, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, pageWithin)
		defer cancel()
		leases, err = ReadLeases(ctx, s.Reader)
		return err
	})
	aside(fromPodNetworks, func() error {
		ctx, cancel := context.WithTimeout(ctx, pageWithin)
		defer cancel()
		networks = ReadPodNetworks(ctx, s.Reader)
		return networks.Err
	})
	// Pods before Nodes: a Node may then lack a pod that has just been bound, and
	// never has one that the list does not know.
	read(fromPods, func() error { return s.pods(ctx, crowd) })
	var err error
	objects.Nodes, err = s.nodes(ctx)
	alongside.Wait()
	if err != nil {
		return nil, err
	}
	if cloud.Err != nil && len(cloud.Pools) == 0 {
		unseen[fromCloud] = cloud.Err
	}
	snapshot := world.JoinPlaced(objects, crowd.byNode(), cloud, time.Now())
	snapshot.ControlPlane = s.ControlPlane
	look := NewLook(snapshot, leases, unseen[fromLeases], nil)
	look.Plans, look.PodNetworks, look.Unseen = ReadPlans(ctx, s.Fleet, snapshot), networks, unseen
	look.Subnets = ReadSubnets(ctx, s.Fleet, snapshot)
	return look, nil
}

func (s *Survey) pods(ctx context.Context, c *crowd) error {
	return pages(ctx, s.Reader, pageOfPods, c.reset, func() *corev1.PodList { return &corev1.PodList{} }, func(l *corev1.PodList) {
		for i := range l.Items {
			c.add(&l.Items[i])
		}
	})
}

func (s *Survey) nodes(ctx context.Context) (out []corev1.Node, err error) {
	pantry := lean.NewPantry()
	err = pages(ctx, s.Reader, pageOfNodes, func() { out = nil }, func() *corev1.NodeList { return &corev1.NodeList{} }, func(l *corev1.NodeList) {
		for i := range l.Items {
			pantry.Node(&l.Items[i])
		}
		out = append(out, l.Items...)
	})
	return out, err
}

func (s *Survey) daemonSets(ctx context.Context) (out []appsv1.DaemonSet, err error) {
	err = pages(ctx, s.Reader, pageOfRest, func() { out = nil }, func() *appsv1.DaemonSetList { return &appsv1.DaemonSetList{} }, func(l *appsv1.DaemonSetList) { out = append(out, l.Items...) })
	return out, err
}

func (s *Survey) attachments(ctx context.Context) (out []storagev1.VolumeAttachment, err error) {
	err = pages(ctx, s.Reader, pageOfRest, func() { out = nil }, func() *storagev1.VolumeAttachmentList { return &storagev1.VolumeAttachmentList{} }, func(l *storagev1.VolumeAttachmentList) { out = append(out, l.Items...) })
	return out, err
}

func (s *Survey) pools(ctx context.Context) (out []v1alpha1.Pool, err error) {
	err = pages(ctx, s.Reader, pageOfRest, func() { out = nil }, func() *v1alpha1.PoolList { return &v1alpha1.PoolList{} }, func(l *v1alpha1.PoolList) { out = append(out, l.Items...) })
	return out, err
}

// pages reads a list page by page. A list that has become too old between two
// pages is begun anew, with an empty hand.
func pages[L client.ObjectList](ctx context.Context, r client.Reader, size int64, begin func(), fresh func() L, take func(L)) error {
	const tries = 3
	for try := 1; ; try++ {
		begin()
		err := onePassOf(ctx, r, size, fresh, take)
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) || try == tries {
			return err
		}
	}
}

func onePassOf[L client.ObjectList](ctx context.Context, r client.Reader, size int64, fresh func() L, take func(L)) error {
	for next := ""; ; {
		list := fresh()
		within, cancel := context.WithTimeout(ctx, pageWithin)
		err := r.List(within, list, client.Limit(size), client.Continue(next))
		cancel()
		if err != nil {
			return fmt.Errorf("list %T: %w", list, err)
		}
		take(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}
