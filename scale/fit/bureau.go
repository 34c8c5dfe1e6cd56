package fit

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/dynamic-resource-allocation/deviceclass/extendedresourcecache"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	"github.com/tidemill/tidemill/internal/world"
)

// bureau is an Oracle's view of devices: the scheduler's own books, of all nodes
// at once, where a Cluster keeps a ledger and looks at a node at a time. What is
// bound is written as binding would have written it.
type bureau struct {
	manager *dynamicresources.DefaultDRAManager
	claims  *claimFeed
	slices  cache.Indexer
	ledger  *ledger // for the names of claims that are yet to be made
	known   map[string]bool
}

// claimFeed stands in for an informer of claims.
type claimFeed struct{ cache.ResourceEventHandler }

// AddEventHandler implements assumecache.Informer.
func (f *claimFeed) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	f.ResourceEventHandler = h
	return nil, nil
}

func newBureau(s *world.Snapshot) (*bureau, error) {
	factory := informers.NewSharedInformerFactory(nil, 0)
	resources := factory.Resource().V1()
	b := &bureau{claims: &claimFeed{}, slices: resources.ResourceSlices().Informer().GetIndexer(), ledger: newLedger(s), known: map[string]bool{}}
	if err := firstOf(fill(resources.DeviceClasses().Informer(), s.Devices.Classes), fill(resources.ResourceSlices().Informer(), s.Devices.Slices)); err != nil {
		return nil, err
	}
	slices, err := tracker.StartTracker(context.Background(), tracker.Options{SliceInformer: resources.ResourceSlices()})
	if err != nil {
		return nil, fmt.Errorf("follow resource slices: %w", err)
	}
	held := assumecache.NewAssumeCache(klog.Background(), b.claims, claimKind, "", nil)
	b.manager = dynamicresources.NewDRAManager(context.Background(), held, slices, factory)
	if backed, ok := b.manager.DeviceClassResolver().(*extendedresourcecache.ExtendedResourceCache); ok && backed != nil {
		for _, class := range s.Devices.Classes {
			backed.OnAdd(class, true)
		}
	}
	for key, h := range b.ledger.claims {
		b.tell(key, h.claim)
	}
	return b, nil
}

// tell shows the scheduler's books a claim.
func (b *bureau) tell(key string, claim *resourcev1.ResourceClaim) {
	if !b.known[key] {
		b.known[key] = true
		copied := *claim
		copied.ResourceVersion = "1"
		b.claims.OnAdd(&copied, true)
	}
}

// know is the pod with its claims named, all of which the books then show.
func (b *bureau) know(pod *corev1.Pod) *corev1.Pod {
	pod, keys := b.ledger.named(pod)
	for _, key := range keys {
		if h := b.ledger.claims[key]; h != nil {
			b.tell(key, h.claim)
		}
	}
	return pod
}

// bind gives the pod its devices on the node and writes down what binding would.
// Where the plugin has none to give it changes nothing.
func (b *bureau) bind(p devicePlugin, pod *corev1.Pod, info fwk.NodeInfo) error {
	ctx, state := context.Background(), framework.NewCycleState()
	pod = b.know(pod)
	if _, status := p.PreFilter(ctx, state, pod, nil); !status.IsSuccess() {
		return nil
	}
	if !p.Filter(ctx, state, pod, info).IsSuccess() {
		return nil
	}
	if status := p.Reserve(ctx, state, pod, info.Node().Name); !status.IsSuccess() {
		return fmt.Errorf("reserve devices for pod %s/%s: %w", pod.Namespace, pod.Name, status.AsError())
	}
	_, keys := b.ledger.named(pod)
	for _, key := range keys {
		if err := b.write(key, pod); err != nil {
			return err
		}
	}
	return nil
}

// write is what PreBind does to a claim, and what the informer then shows.
func (b *bureau) write(key string, pod *corev1.Pod) error {
	h := b.ledger.claims[key]
	if h == nil {
		return nil
	}
	books := b.manager.ResourceClaims()
	claim, err := books.Get(h.claim.Namespace, h.claim.Name)
	if err != nil {
		return err
	}
	claim = claim.DeepCopy()
	if given := books.GetPendingAllocation(claim.UID); given != nil {
		claim.Status.Allocation = given
	}
	if claim.Status.Allocation == nil {
		return nil
	}
	claim.Status.ReservedFor = append(claim.Status.ReservedFor, resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: pod.Name, UID: pod.UID})
	version, _ := strconv.Atoi(claim.ResourceVersion)
	claim.ResourceVersion = strconv.Itoa(version + 1)
	if err := books.AssumeClaimAfterAPICall(claim); err != nil {
		return fmt.Errorf("write claim %s: %w", key, err)
	}
	books.MaybeRemoveClaimPendingAllocation(claim.UID, true)
	return nil
}
