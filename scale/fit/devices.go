package fit

import (
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingapi "k8s.io/api/scheduling/v1alpha2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/deviceclass/extendedresourcecache"
	"k8s.io/dynamic-resource-allocation/structured"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	"github.com/tidemill/tidemill/internal/world"
)

// devices is what the DynamicResources plugin knows of the cluster: the ledger's
// claims, the classes, and the slices. It is asked about one node at a time and
// then shows that node's slices and those of no single node: a thousand other
// nodes' would be walked through for each question, and none is ever taken.
type devices struct {
	ledger *ledger
	list   []*resourcev1.DeviceClass
	byName map[string]*resourcev1.DeviceClass
	backed *extendedresourcecache.ExtendedResourceCache // classes by extended resource

	local map[string][]*resourcev1.ResourceSlice // of one node each
	wide  []*resourcev1.ResourceSlice            // of pools over several nodes, or all

	shown  []*resourcev1.ResourceSlice // local ones, of the node in question
	signed []*resourcev1.ResourceClaim // what Reserve has given
}

var _ fwk.SharedDRAManager = (*devices)(nil)

func newDevices(s *world.Snapshot) *devices {
	v := &devices{
		ledger: newLedger(s), list: s.Devices.Classes, byName: map[string]*resourcev1.DeviceClass{},
		backed: extendedresourcecache.NewExtendedResourceCache(klog.Background()), local: map[string][]*resourcev1.ResourceSlice{},
	}
	for _, class := range s.Devices.Classes {
		v.byName[class.Name] = class
		v.backed.OnAdd(class, true)
	}
	own := sets.New[*resourcev1.ResourceSlice](world.LocalSlices(s.Devices.Slices)...)
	outdated := outdated(s.Devices.Slices)
	for _, x := range s.Devices.Slices {
		switch {
		case own.Has(x):
			v.local[*x.Spec.NodeName] = append(v.local[*x.Spec.NodeName], x)
		case !outdated(x):
			v.wide = append(v.wide, x)
		}
	}
	return v
}

// outdated is whether a slice's pool has a newer generation: what the driver is
// about to take away.
func outdated(all []*resourcev1.ResourceSlice) func(*resourcev1.ResourceSlice) bool {
	newest := map[devicePool]int64{}
	for _, x := range all {
		at := devicePool{x.Spec.Driver, x.Spec.Pool.Name}
		newest[at] = max(newest[at], x.Spec.Pool.Generation)
	}
	return func(x *resourcev1.ResourceSlice) bool {
		return x.Spec.Pool.Generation < newest[devicePool{x.Spec.Driver, x.Spec.Pool.Name}]
	}
}

// Published are the drivers that show devices of the node of that name in the
// snapshot, in order.
func (c *Cluster) Published(node string) []string {
	var out []string
	for _, x := range c.devices.local[node] {
		out = append(out, x.Spec.Driver)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// instance are slices made after template ones for a node of that name.
func instance(template []*resourcev1.ResourceSlice, node string) []*resourcev1.ResourceSlice {
	out := make([]*resourcev1.ResourceSlice, len(template))
	for i, t := range template {
		x := *t // devices are shared: nobody changes them
		x.Name = t.Name + "@" + node
		x.Spec.NodeName = &node
		if x.Spec.Pool.Name = node; t.Spec.Pool.Name != "" {
			x.Spec.Pool.Name = t.Spec.Pool.Name + "@" + node
		}
		out[i] = &x
	}
	return out
}

// behind is whether an extended resource is one that devices stand behind.
func (v *devices) behind(name corev1.ResourceName) bool { return v.backed.GetDeviceClass(name) != nil }

func (v *devices) ResourceClaims() fwk.ResourceClaimTracker     { return v }
func (v *devices) ResourceSlices() fwk.ResourceSliceLister      { return v }
func (v *devices) DeviceClasses() fwk.DeviceClassLister         { return classes{v} }
func (v *devices) DeviceClassResolver() fwk.DeviceClassResolver { return v.backed }
func (v *devices) PodGroups() fwk.PodGroupLister                { return noGroups{} }

// ListWithDeviceTaintRules implements fwk.ResourceSliceLister. The rules' API is
// off by default, and then there are none.
func (v *devices) ListWithDeviceTaintRules() ([]*resourcev1.ResourceSlice, error) {
	return append(slices.Clone(v.wide), v.shown...), nil
}

// List implements fwk.ResourceClaimTracker, as far as it is asked: for claims that
// the scheduler made for extended resources.
func (v *devices) List() ([]*resourcev1.ResourceClaim, error) {
	var out []*resourcev1.ResourceClaim
	for _, uid := range slices.Sorted(maps.Keys(v.ledger.special)) {
		if h := v.ledger.claims[v.ledger.special[uid]]; h != nil {
			out = append(out, h.claim)
		}
	}
	return out, nil
}

const claimKind = "ResourceClaim"

// Get implements fwk.ResourceClaimTracker.
func (v *devices) Get(namespace, name string) (*resourcev1.ResourceClaim, error) {
	if h := v.ledger.claims[namespace+"/"+name]; h != nil {
		return h.claim, nil
	}
	return nil, assumecache.NotFoundError{TypeName: claimKind, ObjectKey: namespace + "/" + name} // as the scheduler says it
}

// eachGiven calls see for each device that is given away in the pools shown.
func (v *devices) eachGiven(see func(*resourcev1.DeviceRequestAllocationResult)) {
	asked := sets.New[devicePool]()
	for _, list := range [][]*resourcev1.ResourceSlice{v.shown, v.wide} {
		for _, x := range list {
			asked.Insert(devicePool{x.Spec.Driver, x.Spec.Pool.Name})
		}
	}
	for at := range asked {
		for key := range v.ledger.byPool[at] {
			results := v.ledger.claims[key].claim.Status.Allocation.Devices.Results
			for i := range results {
				// With admin access a device is looked at, not taken.
				if r := &results[i]; r.Driver == at.driver && r.Pool == at.name && (r.AdminAccess == nil || !*r.AdminAccess) {
					see(r)
				}
			}
		}
	}
}

// ListAllAllocatedDevices implements fwk.ResourceClaimTracker.
func (v *devices) ListAllAllocatedDevices() (sets.Set[structured.DeviceID], error) {
	out := sets.New[structured.DeviceID]()
	v.eachGiven(func(r *resourcev1.DeviceRequestAllocationResult) {
		out.Insert(structured.MakeDeviceID(r.Driver, r.Pool, r.Device))
	})
	return out, nil
}

// GatherAllocatedState implements fwk.ResourceClaimTracker.
func (v *devices) GatherAllocatedState() (*structured.AllocatedState, error) {
	out := &structured.AllocatedState{
		AllocatedDevices: sets.New[structured.DeviceID](), AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity: structured.NewConsumedCapacityCollection(),
	}
	v.eachGiven(func(r *resourcev1.DeviceRequestAllocationResult) {
		id := structured.MakeDeviceID(r.Driver, r.Pool, r.Device)
		if r.ShareID == nil {
			out.AllocatedDevices.Insert(id)
			return
		}
		out.AllocatedSharedDeviceIDs.Insert(structured.MakeSharedDeviceID(id, r.ShareID))
		if r.ConsumedCapacity != nil {
			out.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(id, r.ConsumedCapacity))
		}
	})
	return out, nil
}

// SignalClaimPendingAllocation implements fwk.ResourceClaimTracker: it is how the
// plugin hands out what its allocator found.
func (v *devices) SignalClaimPendingAllocation(_ types.UID, claim *resourcev1.ResourceClaim) error {
	v.signed = append(v.signed, claim)
	return nil
}

var errNotSimulated = errors.New("this is not simulated")

// The rest of fwk.ResourceClaimTracker is about what is being written to the API.

func (v *devices) GetPendingAllocation(types.UID) *resourcev1.AllocationResult { return nil }
func (v *devices) MaybeRemoveClaimPendingAllocation(types.UID, bool) bool      { return false }
func (v *devices) AssumeClaimAfterAPICall(*resourcev1.ResourceClaim) error     { return errNotSimulated }
func (v *devices) AssumedClaimRestore(string, string)                          {}

// classes is a fwk.DeviceClassLister.
type classes struct{ v *devices }

func (c classes) List() ([]*resourcev1.DeviceClass, error) { return c.v.list, nil }
func (c classes) Get(name string) (*resourcev1.DeviceClass, error) {
	if class := c.v.byName[name]; class != nil {
		return class, nil
	}
	return nil, apierrors.NewNotFound(resourcev1.Resource("deviceclasses"), name)
}

type noGroups struct{}

func (noGroups) Get(string, string) (*schedulingapi.PodGroup, error) { return nil, errNoPodGroups }
