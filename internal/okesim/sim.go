package okesim

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Options configure a [Sim]. The zero value is a usable cloud: one region, small latencies, no limits, unsigned calls accepted.
type Options struct {
	// Region is the region identifier. Default "us-ashburn-1"; its short key ("iad") is part of every OCID.
	Region string
	// Latency is how long each stage of a node's life takes.
	Latency Latency
	// VerifySignatures refuses (401 NotAuthenticated) each request that is not signed with a key of
	// [Sim.NewCredentials] or [Sim.AddKey], or whose date is more than five minutes off.
	VerifySignatures bool
	// PageSize is the longest page a list answers with, whatever limit the caller asks for. Default 50.
	PageSize int
	// OnEvent, if set, is called for each change of an instance: outside all locks, one call at a time, in order.
	// It may call back into the Sim, but not Close.
	OnEvent func(Event)
	// Seed of the dice: of Jitter, and of faults that strike by chance.
	Seed uint64
	// Jitter makes each stage longer or shorter by up to this part of it: 0.3 is ±30 %.
	Jitter float64
	// Trace, if set, gets a line for each request, event and finished work request, with the time since New. Two runs that ask for the
	// same in the same order with one seed write the same lines.
	Trace io.Writer
	// Kubernetes, if set, evicts pods before the service takes a node away, as OKE does on the cluster's own API server.
	Kubernetes Kubernetes
	// BootVolumeFrom says what a node gets by ReplaceBootVolumeClusterNode: the "pool"'s present release (the default), or again
	// the one that the "node" had. Oracle's pages tell both; node cycling by boot volume always takes the pool's.
	BootVolumeFrom string
	// WritesOnUpdating says what a write on a pool with work under way gets: "queue" (the default) accepts it,
	// "409" refuses it with IncorrectState. No source says which of the two the service does.
	WritesOnUpdating string
	// IDForm is how the missing instance OCID of a node entry is sent: "" as an empty string, "null", or "absent".
	IDForm string
}

// Latency is the time each stage takes. A zero field means its default, a negative one means none.
type Latency struct {
	Accept    time.Duration // from the 202 to the start of the work; default 100ms
	Provision time.Duration // from the launch of an instance to RUNNING; default 500ms
	Boot      time.Duration // from RUNNING to a node that is ACTIVE; default 1s
	Terminate time.Duration // from TERMINATING to TERMINATED; default 500ms
	Preempt   time.Duration // notice before a preemptible instance is taken back; default 500ms (the service: 30 seconds)
	Register  time.Duration // how much longer than Boot OKE waits for a node that never registers; default 1s (the service: 20 minutes)
}

// withDefaults replaces zero fields by their defaults and negative ones by zero.
func (l Latency) withDefaults() Latency {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(*d, 0)
	}
	set(&l.Accept, 100*time.Millisecond)
	set(&l.Provision, 500*time.Millisecond)
	set(&l.Boot, time.Second)
	set(&l.Terminate, 500*time.Millisecond)
	set(&l.Preempt, 500*time.Millisecond)
	set(&l.Register, time.Second)
	return l
}

// A Sim is one emulated tenancy in one region. All methods are safe for concurrent use.
type Sim struct {
	opt     Options
	handler http.Handler

	mu sync.Mutex // guards everything that follows

	closed bool
	wg     sync.WaitGroup // the armed timer and the event courier
	agenda agenda
	outbox outbox

	ids         int                  // counter behind every OCID
	compartment map[string]bool      // known compartments
	clusters    []*Cluster           // in order of creation
	pools       []*pool              // in order of creation
	virtual     []*VirtualPool       // in order of creation
	instances   []*instance          // in order of launch, terminated ones for an hour
	byInstance  map[string]*instance // the same by OCID
	consoles    []*consoleHistory    // in order of capture
	images      []*Image             // in order of seeding
	work        []*workRequest       // in order of acceptance
	capacity    map[hostKey]int      // free hosts; absent means unlimited
	limits      map[limitKey]int     // shape → most instances; absent means unlimited
	quotas      map[string]int       // the same as the administrator sets it
	subnets     map[string]string    // their ranges, where one was set
	cores       map[limitKey]int     // limit name → most OCPUs or GPUs; absent means unlimited
	broken      []*brokenLaunches
	keys        map[string]credential // keyId → key
	issuer      *authority            // of instance certificates
	evictions   map[string]*evicting  // by instance OCID
	unkillable  []*brokenLaunches     // orders of BreakTerminations
	faults      []*armedFault
	answers     map[string]rendered // last ones by URI, for stale reads
	refusals    map[string]int      // operation → status
	policy      *Policy
	dice        *rand.Rand
	begun       time.Time
	pageSize    int
	skew        time.Duration
	caller      Principal // of the last request
	calls       map[string]int
	requests    int
	retries     map[string]retryMemory // opc-retry-token → what it did
}

// New returns a Sim with seeded shapes, images and availability domains, and no cluster. Close it when done.
func New(opt Options) *Sim {
	if opt.Region == "" {
		opt.Region = "us-ashburn-1"
	}
	if opt.PageSize <= 0 {
		opt.PageSize = 50
	}
	opt.Latency = opt.Latency.withDefaults()
	s := &Sim{
		opt:         opt,
		compartment: map[string]bool{},
		byInstance:  map[string]*instance{},
		capacity:    map[hostKey]int{},
		limits:      map[limitKey]int{},
		quotas:      map[string]int{},
		cores:       map[limitKey]int{},
		subnets:     map[string]string{},
		keys:        map[string]credential{},
		evictions:   map[string]*evicting{},
		answers:     map[string]rendered{},
		refusals:    map[string]int{},
		dice:        rand.New(rand.NewPCG(opt.Seed, 0x6f6b6573696d)),
		begun:       time.Now(),
		pageSize:    opt.PageSize,
		calls:       map[string]int{},
		retries:     map[string]retryMemory{},
	}
	s.compartment[s.Tenancy()] = true
	s.compartment[s.Compartment()] = true
	s.seedImages()
	s.handler = s.newHandler()
	return s
}

// Close stops the clockwork: nothing changes any more. It returns when no timer and no OnEvent call is running.
// The handler goes on answering with the last state.
func (s *Sim) Close() {
	s.mu.Lock()
	s.closed = true
	s.disarm()
	s.mu.Unlock()
	s.wg.Wait()
}
