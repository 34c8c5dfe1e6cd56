// Package cloudprovider is the contract between tidemill and a cloud that
// keeps machines in resizable pools.
//
//	 scale ─┐                       ┌─ oke   (Oracle's SDK)
//	 cycle ─┼─► *Fleet ─► Provider ─┤
//	doctor ─┘                       └─ fake  (in memory, the test's clock)
//
// The verbs hold a [*Fleet], never a [Provider]: Fleet adds bounds, dry run,
// metrics, and the last good data while the cloud is away. Drivers implement
// Provider, four methods, and as many of the optional interfaces ([Replacer],
// [Releaser], [Rebooter], [BootVolumeReplacer], [Cycler], [CapacityReporter],
// [Inspector]) as their cloud has an answer for.
//
// Three ideas hold the contract together.
//
//   - Sizes are absolute and compared. A caller says "from 5 to 7", so that a
//     lost answer can be resolved by looking instead of by asking again, and a
//     person who resized the pool in the console is noticed, not overwritten.
//   - Instances are named. Only [Provider.Delete] removes a live machine, and
//     only the ones listed; a shrinking [Provider.Resize] may take back what
//     never became a machine, and nothing else.
//   - Facts carry their age. What cannot be read now is not guessed: the last
//     good observation stays, with the time at which it was good.
//
// A driver is done when the suite in cloudprovider/providertest passes on it.
package cloudprovider

import "context"

// Provider is what a driver implements. All methods are safe for concurrent
// use. Returned values belong to the caller, who may change them.
//
// Every method returns an error that satisfies errors.Is for one of this
// package's sentinels when its comment names one; any other error means "the
// cloud did not answer properly" and says nothing about the pool.
type Provider interface {
	// Pools lists every pool of the cluster in ascending ID order, over all
	// pages: a list that cannot be read to its end is an error, never a shorter
	// list. A pool that cannot be read on its own is present with its last good
	// values and Health.Err set.
	Pools(ctx context.Context) ([]NodePool, error)

	// Instances lists the machines of one pool in ascending ID order: those
	// being made, running, being deleted, and the entries that failed before
	// they became a machine (State Failed with a Fault and a placeholder ID that
	// is stable from call to call and unique in the pool). Deleted machines are
	// not listed. ErrNotFound if the pool is gone.
	Instances(ctx context.Context, pool PoolID) ([]Instance, error)

	// Resize changes the pool's size from one absolute number to another.
	//
	// It is a compare-and-set: if the pool's size is neither from nor to, or
	// changes between the look and the write, ErrConflict is returned and
	// nothing has happened. It is idempotent: if the size is already to, it
	// returns nil. It returns when the cloud has accepted the size, not when
	// machines run.
	//
	// Resize never removes a live instance. A smaller size is accepted only as
	// far as it takes back what has no machine (State Failed, or Creating with a
	// placeholder ID): not below the number of live instances. ErrConflict
	// otherwise.
	//
	// ErrNotFound if the pool is gone, ErrQuota if the cloud refuses the size,
	// ErrThrottled when asked to slow down. Out of capacity is normally not an
	// error here: it shows later as Failed entries.
	Resize(ctx context.Context, pool PoolID, from, to int) error

	// Delete terminates exactly these instances and lowers the pool's size by
	// as many. Instances already being deleted, or gone, count as done: the call
	// may be repeated, and each is noted by [FoundGone]. The cloud must not drain: whoever calls Delete has
	// drained. Instances are deleted one after the other; on an error the earlier
	// ones are gone. Placeholder IDs are taken back last and as by Resize: as many
	// entries go as were named and are still listed, and those without a machine
	// only, but which of them may be the cloud's choice.
	Delete(ctx context.Context, pool PoolID, ids ...InstanceID) error
}

// Replacer is implemented by clouds that delete a machine and launch another
// with the pool's current release in its stead, size unchanged.
type Replacer interface {
	// Replace behaves like [Provider.Delete] except that the pool's size stays
	// and the cloud launches as many new instances. A placeholder has no machine
	// to replace: ErrInvalid.
	Replace(ctx context.Context, pool PoolID, ids ...InstanceID) error
}

// Releaser is implemented by clouds whose pools know which Kubernetes version
// and image a new machine gets.
type Releaser interface {
	// Releases lists the releases this pool's shape can boot, newest image
	// first within a version, versions descending.
	Releases(ctx context.Context, pool PoolID) ([]Release, error)

	// SetRelease makes release what new instances of the pool get. Without an
	// image it is the newest of that Kubernetes version that fits the pool. Running
	// instances are not touched. It checks first that the image exists and fits
	// (ErrNotFound, ErrInvalid), is a compare-and-set like Resize, and is
	// idempotent.
	SetRelease(ctx context.Context, pool PoolID, release Release) error
}

// Rebooter is implemented by clouds that can restart a machine in place.
type Rebooter interface {
	// Reboot restarts exactly these instances. Each keeps its ID, disks, and
	// Node. The cloud must not drain: whoever calls has drained. It returns when
	// the cloud has accepted the request; a machine already on its way counts as
	// done. ErrInvalid for a placeholder, ErrNotFound if an instance is gone.
	Reboot(ctx context.Context, pool PoolID, ids ...InstanceID) error
}

// BootVolumeReplacer is implemented by clouds that give a machine a fresh boot
// volume with the pool's current release while it keeps its ID, its addresses
// and its place in a full zone.
type BootVolumeReplacer interface {
	// ReplaceBootVolume behaves like [Rebooter.Reboot], except that what the
	// machine has on its boot volume is lost and that its Release is the pool's
	// afterwards. ErrNotSupported where the cloud refuses this kind of pool or
	// cluster, with the cloud's words.
	ReplaceBootVolume(ctx context.Context, pool PoolID, ids ...InstanceID) error
}

// Cycler is implemented by clouds that can turn a whole pool over by themselves.
type Cycler interface {
	// Cycle asks the cloud to bring every instance of the pool to the pool's
	// current release with these bounds. It returns when the cloud has accepted;
	// progress shows in Instances and Health.Updating. ErrNotSupported where the
	// cloud refuses this kind of pool or cluster, with the cloud's words;
	// ErrConflict while another change of the pool is under way.
	Cycle(ctx context.Context, pool PoolID, how Cycling) error
}

// CapacityReporter is implemented by clouds that can say beforehand whether
// machines are to be had.
type CapacityReporter interface {
	// Capacity tells for each placement of the pool whether a new instance could
	// be launched there now. It is a hint: the answer may be wrong a second later.
	Capacity(ctx context.Context, pool PoolID) ([]Capacity, error)
}
