package e2e

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

var (
	soakFor    = flag.Duration("soak", 0, "how long TestSoak makes trouble; 0 skips it")
	soakDeaths = flag.Duration("soak-deaths", 15*time.Minute, "how long TestSoak kills and freezes the daemon; then it lives, so that what grows is seen")
	soakReport = flag.String("soak-report", "", "where TestSoak writes its report as JSON")
	soakBinary = flag.String("soak-binary", "", "tidemill binary to soak instead of one built from here")
)

// soakSurge is the largest surge that the soak's people ask for.
const soakSurge = 2

// soak is a cluster in which everything happens at once, for as long as one likes:
//
//	script ──► troubles: cloud, machines, nodes, control plane, network, daemon, people, load
//	             │ one seed draws them all; each ends by itself
//	             ▼
//	two replicas of the daemon, each behind doors of its own
//	             │
//	store ──► judge: floor, ceiling, minimum, eviction only, PDB, no surprise delete, own marks, pause
//	client outside ──► requests that failed while the control plane was well
//	metrics, every 10 s ──► heap, goroutines, files, series: slopes within lives
//
// Then everything is healed, and all must come to rest and stay there.
type soak struct {
	t        *testing.T
	env      *Env
	dice     *rand.Rand
	judge    *judge
	replicas []*replica
	guarded  []Workload
	elastic  []Workload
	served   Workload
	policies map[string]v1alpha1.PoolSpec

	began   time.Time
	happens map[string]int
	asked   int
	people  map[string]bool // nodes that the soak has cordoned

	mu      sync.Mutex
	samples []sample
	dark    time.Time // until when the control plane's troubles may cost requests
	outside traffic
	failed  outsideCount
}

// outsideCount are the requests of the client outside.
type outsideCount struct {
	Asked  int `json:"asked"`
	Failed int `json:"failed"`
	// Excused failed while the control plane was away, slow or just back.
	Excused int `json:"excused"`
}

// blind says that the control plane is in trouble, or was until a moment ago: its
// own controllers may be late to take a pod out of a Service.
func (k *soak) blind(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if until := time.Now().Add(d); until.After(k.dark) {
		k.dark = until
	}
}

// TestSoak makes trouble for as long as it is told, and looks on.
//
//	make soak DURATION=1h
//	go test ./internal/e2e -run 'TestSoak$' -timeout 0 -v -args -soak 3m -seed 7
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("it takes as long as it is told to: -args -soak 3m, or make soak")
	}
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d, %s of trouble", from, *soakFor)
	k := newSoak(t, from)
	ctx := t.Context()
	if err := k.settle(ctx); err != nil {
		t.Fatal(err)
	}
	k.play(ctx, *soakFor)
	rested := k.rest(ctx)
	if rested != nil {
		k.judge.accuse("comes to rest", "%v", rested)
	}
	k.report(from)
}

// newSoak opens the cluster, takes the story's one daemon away and puts two
// replicas in its place.
func newSoak(t *testing.T, from uint64) *soak {
	t.Helper()
	k := &soak{t: t, dice: rand.New(rand.NewPCG(from, 0)), happens: map[string]int{}, people: map[string]bool{}}
	k.cast()
	o := Options{Pools: soakPools(), Policies: k.policies, NodeGrace: 20 * time.Second, EtcdDoor: true}
	k.env = k.open(o)
	ctx := t.Context()
	if err := k.env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	k.env.Watcher.Close() // its informers would be blind when it matters: the store tells
	k.watch(ctx)
	for _, name := range []string{"one", "two"} {
		r, err := newReplica(ctx, k.env, name, freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		k.replicas = append(k.replicas, r)
		t.Cleanup(func() { _ = r.stop() })
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
		go r.keep(ctx, k.judge.say)
	}
	return k
}

// open is the environment; its directory stays.
func (k *soak) open(o Options) *Env {
	k.t.Helper()
	dir, err := os.MkdirTemp("", "tidemill-soak-")
	if err != nil {
		k.t.Fatal(err)
	}
	o.Dir, o.Tidemill = dir, *soakBinary
	if o.Tidemill == "" {
		o.Tidemill = tidemill(k.t)
	}
	k.t.Logf("record and logs: %s", dir)
	env, err := Open(k.t.Context(), o)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { // the watcher is closed already
		env.Watcher = nil
		if err := env.Close(); err != nil {
			k.t.Errorf("close: %v", err)
		}
	})
	return env
}

// cast are the pools' policies and the workloads.
func (k *soak) cast() {
	k.policies = map[string]v1alpha1.PoolSpec{"workers": Policy(3, 9, soakSurge), "arm": Policy(1, 4, 1), "spare": Policy(0, 4, 1)}
	for _, p := range k.policies {
		p.Scale.Down.UnneededFor.Duration = 10 * time.Second
	}
	k.guarded = []Workload{
		{Name: "web", Replicas: 12, Requests: ask("400m", "1Gi"), Selector: map[string]string{"kubernetes.io/arch": "amd64"}, Spare: 3},
		{Name: "store", Replicas: 6, Requests: ask("300m", "1Gi"), Spare: 1},
	}
	k.served = Workload{Name: "served", Replicas: 4, Requests: ask("300m", "512Mi"), Selector: map[string]string{"kubernetes.io/arch": "amd64"}, Spare: 1}
	k.elastic = []Workload{
		{Name: "tide", Replicas: 30, Requests: ask("400m", "1Gi")},
		{Name: "bulk", Replicas: 4, Requests: ask("1700m", "8Gi")},
	}
}

func soakPools() []okesim.Pool {
	demo := playground.DemoPools()
	workers, arm := demo[0], demo[1]
	workers.Size, arm.Size = 4, 1
	spare := workers
	spare.Name, spare.Shape, spare.Size, spare.Placements = "spare", "VM.Standard.E5.Flex", 1, playground.Placements(2)
	return []okesim.Pool{workers, arm, spare}
}

// watch lets the judge see everything.
func (k *soak) watch(ctx context.Context) {
	k.t.Helper()
	record, err := os.Create(filepath.Join(k.env.Dir(), "soak.log"))
	if err != nil {
		k.t.Fatal(err)
	}
	k.judge = newJudge(20*time.Second, record)
	for _, p := range k.env.Sim.Pools() {
		scale := k.policies[p.Name].Scale
		k.judge.pools[p.ID] = &seenPool{name: p.Name, min: int(scale.MinSize), bound: int(scale.MaxSize) + soakSurge, size: p.Size}
	}
	for _, w := range append(k.guarded, k.served) {
		k.judge.guards[w.Name] = &seenGuard{least: int(w.Replicas) - w.Spare}
	}
	ready := make(chan struct{})
	go func() {
		if err := k.env.Cluster.Follow(ctx, ready, k.follow().tell); err != nil && ctx.Err() == nil {
			k.judge.accuse("the soak itself", "%v", err)
		}
	}()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		k.t.Fatal("etcd does not tell what it has")
	}
	go k.pollCloud(ctx)
	go k.sampleAll(ctx)
	go k.keepPolicies(ctx)
}

// pollCloud tells the judge of the machines and sizes.
func (k *soak) pollCloud(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var list []MachineView
		for _, in := range k.env.Sim.Instances() {
			list = append(list, viewMachine(in))
		}
		sizes := map[string]int{}
		if i%10 == 0 {
			for _, p := range k.env.Sim.Pools() {
				sizes[p.ID] = p.Size
			}
		}
		k.judge.seeMachines(list, sizes, time.Now())
	}
}

// sampleAll weighs the replicas and counts what the client outside has met.
func (k *soak) sampleAll(ctx context.Context) {
	weighing := time.NewTicker(10 * time.Second)
	counting := time.NewTicker(time.Second)
	defer weighing.Stop()
	defer counting.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-counting.C:
			k.countOutside()
		case <-weighing.C:
			for _, r := range k.replicas {
				if s, err := r.look(ctx); err == nil { // one that is dead or frozen has nothing to say
					k.mu.Lock()
					k.samples = append(k.samples, s)
					k.mu.Unlock()
				}
			}
		}
	}
}

func (k *soak) countOutside() {
	asked, failed, last := k.outside.count()
	k.mu.Lock()
	fresh, dark := failed-k.failed.Failed, time.Now().Before(k.dark)
	k.failed.Asked, k.failed.Failed = asked, failed
	if dark {
		k.failed.Excused += fresh
	}
	k.mu.Unlock()
	if fresh > 0 {
		k.judge.say("%d requests from outside failed (control plane in trouble: %t): %v", fresh, dark, last)
	}
	if fresh > 0 && !dark {
		k.judge.accuse("nothing fails outside", "%d requests: %v", fresh, last)
	}
}

// keepPolicies is whoever applies the pools' policies again when they are gone.
func (k *soak) keepPolicies(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for name, policy := range k.policies {
			p, err := k.env.Pool(ctx, name)
			if err != nil || p.Spec.Cycle != nil {
				continue
			}
			err = k.env.ChangePool(ctx, name, func(o *v1alpha1.Pool) {
				spec := *policy.DeepCopy()
				spec.NodePoolID = o.Spec.NodePoolID
				o.Spec = spec
			})
			k.judge.say("policy of %s applied again: %v", name, err)
		}
	}
}

// settle brings the workloads and waits until they run and are served.
func (k *soak) settle(ctx context.Context) error {
	s := stage(k.env)
	for _, w := range append(k.guarded, k.elastic...) {
		if err := k.env.Deploy(ctx, w); err != nil {
			return err
		}
	}
	if err := k.serve(ctx); err != nil {
		return err
	}
	k.began = time.Now()
	for _, w := range append(k.guarded, append(k.elastic, k.served)...) {
		if err := k.until(ctx, "all of "+w.Name+" to run", 3*time.Minute, s.allRun(w)); err != nil {
			return err
		}
	}
	go k.outside.ask(ctx)
	return nil
}

// until waits for a probe; an API server that is away is waited for.
func (k *soak) until(ctx context.Context, what string, patience time.Duration, probe Probe) error {
	return Until(ctx, what, patience, nil, func(ctx context.Context) (bool, string, error) {
		ok, now, err := probe(ctx)
		if err != nil {
			return false, err.Error(), nil
		}
		return ok, now, nil
	})
}
