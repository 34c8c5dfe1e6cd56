// Package providertest is what every driver of cloudprovider must do, written
// down as tests.
//
//	func TestContract(t *testing.T) {
//		providertest.Run(t, func(t *testing.T) providertest.Harness { ... })
//	}
//
// The suite speaks to the driver only through the contract. What a contract
// cannot say, such as "the zone is full now" or "the answer to the next resize
// is lost", it asks of a [Harness], which each driver's test makes over whatever
// stands for its cloud. Every case gets a harness of its own, so that a fault
// armed in one is never met in another.
//
// Each case is named after the sentence of the contract that it holds the
// driver to. A verb may rely on these and on nothing else.
package providertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Harness is one empty cloud and its driver. Functions are called from the
// test's goroutine.
type Harness struct {
	Provider cloudprovider.Provider
	// AddPool makes a pool of this name whose instances run when it returns, as
	// far as there is capacity. Pools are of one kind, in one zone.
	AddPool func(name string, size int) cloudprovider.PoolID
	// RemovePool deletes a pool with all in it, behind the driver's back.
	RemovePool func(cloudprovider.PoolID)
	// SetSize resizes a pool behind the driver's back.
	SetSize func(pool cloudprovider.PoolID, size int)
	// SetCapacity sets how many more machines all pools together may get;
	// negative is unlimited.
	SetCapacity func(n int)
	// Settle returns when the cloud has nothing left to do for the pool.
	Settle func(pool cloudprovider.PoolID)
	// Inject lets the next call of a method meet a fault that lasts longer than
	// the driver's own retries.
	Inject func(op Op, f Fault)
	// AddVirtual makes a pool without machines; nil where the cloud has none.
	AddVirtual func(name string, size int) cloudprovider.PoolID
	// Plan announces a reboot of a machine; nil where the cloud never does.
	Plan func(in cloudprovider.InstanceID, at time.Time)
	// Console replaces what a machine has written to its serial console; nil where
	// there is none.
	Console func(in cloudprovider.InstanceID, text string)
	// Basic is whether the cloud is of a kind without new boot volumes and cycling
	// of its own.
	Basic bool
}

// Op is a method of the contract.
type Op string

// The methods that faults can be injected into.
const (
	Pools      Op = "Pools"
	Instances  Op = "Instances"
	Resize     Op = "Resize"
	Delete     Op = "Delete"
	Replace    Op = "Replace"
	SetRelease Op = "SetRelease"

	Reboot            Op = "Reboot"
	ReplaceBootVolume Op = "ReplaceBootVolume"
	Cycle             Op = "Cycle"
)

// Fault is what a call meets.
type Fault int

const (
	// Lost: the cloud does it, once, and the answer never arrives.
	Lost Fault = iota + 1
	// Throttled: the cloud does nothing and asks to slow down.
	Throttled
	// Unauthorized: the cloud refuses the credentials.
	Unauthorized
	// Broken: the cloud does nothing and answers with an internal error.
	Broken
)

// String gives the fault's name.
func (f Fault) String() string {
	return [...]string{"Unknown", "Lost", "Throttled", "Unauthorized", "Broken"}[max(0, min(int(f), 4))]
}

// cases is the contract, in the order in which one would read it.
var cases = []struct {
	name string
	run  func(*testing.T, *bench)
}{
	{"Pools lists all pages in order", poolsListsAllPages},
	{"Pools that cannot be read is an error and no shorter list", poolsBroken},
	{"Pools gives values that belong to the caller", poolsValuesOwned},
	{"Instances are sorted and say what they are", instancesSorted},
	{"Instances of a pool that is gone is ErrNotFound", poolGone},
	{"Resize grows and may be repeated", resizeGrows},
	{"Resize refuses when the size is neither from nor to", resizeConflict},
	{"Resize has one winner among many", resizeRace},
	{"Resize never removes a live instance", resizeKeepsLive},
	{"Resize takes back what failed", resizeTakesBack},
	{"Resize out of capacity shows as Failed entries", resizeNoCapacity},
	{"Resize whose answer is lost is done once", resizeLost},
	{"Placeholders are unique and stable", placeholdersStable},
	{"Delete removes the named and shrinks by as many", deleteNamed},
	{"Delete may be repeated", deleteRepeated},
	{"Delete of several ends at the right size", deleteSeveral},
	{"Delete takes back placeholders", deletePlaceholder},
	{"Delete whose answer is lost is done once", deleteLost},
	{"Replace keeps the size", replaceKeepsSize},
	{"Replace whose answer is lost is done once", replaceLost},
	{"Releases are newest first", releasesOrder},
	{"SetRelease concerns new instances only", setReleaseNewOnly},
	{"SetRelease checks the image first", setReleaseChecks},
	{"SetRelease whose answer is lost is done once", setReleaseLost},
	{"SetRelease without an image takes the newest", setReleaseNewest},
	{"Reboot keeps the machine", rebootKeeps},
	{"Reboot refuses what is no machine", rebootRefuses},
	{"ReplaceBootVolume gives the pool's release to the same machine", bootVolumeReplaced},
	{"ReplaceBootVolume whose answer is lost may be repeated", bootVolumeLost},
	{"Cycle replaces every machine", cycleReplaces},
	{"Cycle in place keeps every machine", cycleInPlace},
	{"Cycle refuses bounds by which nothing moves", cycleRefuses},
	{"Cycle whose answer is lost is under way", cycleLost},
	{"Capacity tells each zone", capacityReported},
	{"Maintenance lists what is planned, soonest first", maintenanceListed},
	{"Console gives the end of what a machine of the pool has written", consoleRead},
	{"A virtual pool is shown and never changed", virtualIsShown},
	{"Throttled is ErrThrottled and nothing happened", throttled},
	{"Refused credentials are ErrUnauthorized", unauthorized},
	{"A cancelled context is an error", cancelled},
}

// Run holds a driver to the contract. open makes a fresh cloud for each case and
// cleans up with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, &bench{Harness: open(t), t: t, ctx: t.Context()})
		})
	}
}

// bench is a harness with the test's words for it. The methods end the test on
// what the contract rules out.
type bench struct {
	Harness
	t   *testing.T
	ctx context.Context
}

// patience bounds every wait for a condition.
const patience = 20 * time.Second

// pool looks one pool up in a fresh list.
func (b *bench) pool(id cloudprovider.PoolID) cloudprovider.NodePool {
	b.t.Helper()
	pools, err := b.Provider.Pools(b.ctx)
	if err != nil {
		b.t.Fatalf("Pools: %v", err)
	}
	for _, p := range pools {
		if p.ID == id {
			return p
		}
	}
	b.t.Fatalf("pool %s is not among %d pools", id, len(pools))
	return cloudprovider.NodePool{}
}

func (b *bench) instances(id cloudprovider.PoolID) []cloudprovider.Instance {
	b.t.Helper()
	list, err := b.Provider.Instances(b.ctx, id)
	if err != nil {
		b.t.Fatalf("Instances: %v", err)
	}
	return list
}

// ids lists the instances in one of the states, in order.
func (b *bench) ids(id cloudprovider.PoolID, states ...cloudprovider.State) []cloudprovider.InstanceID {
	b.t.Helper()
	var ids []cloudprovider.InstanceID
	for _, in := range b.instances(id) {
		for _, s := range states {
			if in.State == s {
				ids = append(ids, in.ID)
			}
		}
	}
	return ids
}

func (b *bench) wantSize(id cloudprovider.PoolID, size int) {
	b.t.Helper()
	if got := b.pool(id).Size; got != size {
		b.t.Fatalf("size is %d, want %d", got, size)
	}
}

// wantRunning waits until exactly n instances run and nothing else is listed.
func (b *bench) wantRunning(id cloudprovider.PoolID, n int) []cloudprovider.InstanceID {
	b.t.Helper()
	var ids []cloudprovider.InstanceID
	b.eventually(func() bool {
		ids = b.ids(id, cloudprovider.Running)
		return len(ids) == n && len(b.instances(id)) == n
	}, func() string { return describe(b.instances(id)) })
	return ids
}

func (b *bench) eventually(ok func() bool, otherwise func() string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not so after %v: %s", patience, otherwise())
		}
	}
}

// until repeats a write while the answer is that the pool is busy: a cloud may
// refuse the second change while it works on the first.
func (b *bench) until(id cloudprovider.PoolID, write func() error) {
	b.t.Helper()
	var err error
	b.eventually(func() bool {
		b.Settle(id)
		if err = write(); err != nil && !errors.Is(err, cloudprovider.ErrConflict) {
			b.t.Fatal(err)
		}
		return err == nil
	}, func() string { return err.Error() })
}

func (b *bench) want(err, sentinel error) {
	b.t.Helper()
	if !errors.Is(err, sentinel) {
		b.t.Fatalf("error is %v, want %v", err, sentinel)
	}
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
