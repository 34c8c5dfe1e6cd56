// Package fake is the contract of cloudprovider in memory: a cloud whose time,
// capacity and failures the test decides.
//
//	test ──► Advance, SetCapacity, FailNext, LoseNext, SetSize ──┐
//	                                                             ▼
//	code under test ──► Provider, Replacer, Releaser ──► entries of pools ──► Calls
//
// It has no timer and no goroutine. Each entry remembers when it was asked for,
// and what it is now follows from the time that has passed, so that a test in a
// testing/synctest bubble turns the clock by sleeping and any other test by
// [Cloud.Advance]. The suite in cloudprovider/providertest passes on it: what a
// verb learns here holds for the real drivers.
package fake

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
)

// ErrLost is the answer to a call that [Cloud.LoseNext] chose: like a broken
// connection it says nothing about what happened.
var ErrLost = errors.New("connection lost before the answer")

// Options configure a [Cloud].
type Options struct {
	Latency Latency
	// Releases are the images that exist, in the order Releases answers with:
	// versions descending, newest image first.
	Releases []cloudprovider.Release
	// Basic is a cloud that offers neither new boot volumes nor cycling of its own.
	Basic bool
}

// Latency is how long each part of an instance's life takes; zero is at once.
type Latency struct {
	Launch time.Duration // from the accepted size to an instance with an ID
	Boot   time.Duration // from there to Running
	Delete time.Duration // from the accepted deletion until it is gone
}

// Pool is a pool to be made.
type Pool struct {
	ID       cloudprovider.PoolID // assigned if empty
	Name     string               // the ID if empty
	Size     int
	Min, Max int
	Shape    string
	Release  cloudprovider.Release // the first of Options.Releases if zero
	Zones    []cloudprovider.Zone  // "ZONE-1" if empty
	Template *corev1.Node          // a node of 4 CPUs and 16 GiB if nil
	Tags     map[string]string
	Settings map[string]string
	// Price is of a node in each zone, Preemptible whether they may be taken back.
	Price       float64
	Preemptible bool
	// Virtual pools have no machines and take no writes.
	Virtual bool
}

// Call is one call of a Provider's method, in the order they came.
type Call struct {
	Op       string
	Pool     cloudprovider.PoolID
	From, To int
	IDs      []cloudprovider.InstanceID
	Release  cloudprovider.Release
	Err      error
}

// Cloud is a cloud in memory. It implements Provider, Replacer, Releaser,
// Rebooter, BootVolumeReplacer, Cycler, CapacityReporter and Inspector and is safe
// for concurrent use.
type Cloud struct {
	mu       sync.Mutex
	options  Options
	pools    []*pool
	capacity map[cloudprovider.Zone]int // absent is unlimited
	faults   []fault
	calls    []Call
	ahead    time.Duration // by how much Advance has turned the clock
	counter  int
	planned  []cloudprovider.Maintenance
	consoles map[cloudprovider.InstanceID]string // absent is a boot log
}

// fault is what the next call of op meets.
type fault struct {
	op   string
	err  error
	lost bool // apply, then lose the answer
}

// New returns a cloud without pools.
func New(o Options) *Cloud {
	return &Cloud{options: o, capacity: map[cloudprovider.Zone]int{}}
}

// AddPool makes a pool and returns its ID. Its instances start at once.
func (c *Cloud) AddPool(p Pool) cloudprovider.PoolID {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counter++
	if p.ID == "" {
		p.ID = cloudprovider.PoolID(fmt.Sprintf("pool-%03d", c.counter))
	}
	if p.Name == "" {
		p.Name = string(p.ID)
	}
	if len(p.Zones) == 0 {
		p.Zones = []cloudprovider.Zone{"ZONE-1"}
	}
	if p.Release == (cloudprovider.Release{}) && len(c.options.Releases) > 0 {
		p.Release = c.options.Releases[0]
	}
	if p.Template == nil {
		p.Template = defaultTemplate()
	}
	made := &pool{Pool: p}
	c.pools = append(c.pools, made)
	c.reconcile(made)
	return p.ID
}

// RemovePool deletes a pool with all in it, as somebody in the console would.
func (c *Cloud) RemovePool(id cloudprovider.PoolID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools = slices.DeleteFunc(c.pools, func(p *pool) bool { return p.ID == id })
}

// SetSize resizes a pool behind the caller's back; live instances go if need be,
// the newest first.
func (c *Cloud) SetSize(id cloudprovider.PoolID, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.find(id); p != nil {
		p.Size = size
		c.reconcile(p)
	}
}

// SetLatency changes how long everything takes from now on, and what is under way
// with it.
func (c *Cloud) SetLatency(l Latency) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options.Latency = l
}

// Configure changes a pool behind the caller's back, as somebody in the console
// would. Its entries are not touched.
func (c *Cloud) Configure(id cloudprovider.PoolID, change func(*Pool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.find(id); p != nil {
		change(&p.Pool)
	}
}

// SetCapacity sets how many more machines a zone has; negative is unlimited.
func (c *Cloud) SetCapacity(zone cloudprovider.Zone, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < 0 {
		delete(c.capacity, zone)
		return
	}
	c.capacity[zone] = n
}

// SetFault makes something wrong with a live instance, or nothing with nil.
func (c *Cloud) SetFault(id cloudprovider.InstanceID, f *cloudprovider.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pools {
		for _, e := range p.entries {
			if e.id == id {
				e.fault = f
			}
		}
	}
}

// FailNext lets the next call of op ("Resize", "Pools", ...) fail with err and
// do nothing. Several are met in order.
func (c *Cloud) FailNext(op string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fault{op: op, err: err})
}

// LoseNext lets the next call of op happen and fail with ErrLost.
func (c *Cloud) LoseNext(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fault{op: op, lost: true})
}

// Advance turns the cloud's clock by d, beside the time that passes anyway.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Calls returns the calls of Provider's methods so far, refused ones included.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

func (c *Cloud) now() time.Time { return time.Now().Add(c.ahead) }

func (c *Cloud) find(id cloudprovider.PoolID) *pool {
	i := slices.IndexFunc(c.pools, func(p *pool) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return c.pools[i]
}
