package e2e

import (
	"fmt"
	"sort"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/internal/kube"
)

// Referee knows the state of play and says when a promise is broken. It is fed
// one change at a time, with the time of the change, and never looks itself.
//
// Promises are about what tidemill does, not about what the world does: a node
// whose kubelet dies takes the pool below its floor and breaks no promise. So a
// promise is judged at the change that tidemill makes: the cordon, the eviction,
// the termination.
type Referee struct {
	mu sync.Mutex

	names    map[string]string // pool OCID → name, for the record
	nodes    map[string]NodeView
	machines map[string]MachineView
	pods     map[types.NamespacedName]PodView
	had      map[string]NodeView // machine → its Node as it was last seen
	excused  map[string]string   // machine → why its end is somebody else's doing
	bounds   map[string]int      // pool → most machines outside a run
	runs     map[string]*runState
	guards   map[string]Guard

	violations []Violation
	record     []Change
}

// runState is a run and what was seen of it.
type runState struct {
	Run
	cordoned int
	Seen     Seen
}

// Seen are the extremes of a run.
type Seen struct {
	LeastAvailable int
	MostMachines   int
	Cordoned       int
}

// NewReferee begins with an empty pitch. names are the pools' names by OCID.
func NewReferee(names map[string]string) *Referee {
	return &Referee{
		names: names, nodes: map[string]NodeView{}, machines: map[string]MachineView{}, pods: map[types.NamespacedName]PodView{},
		had: map[string]NodeView{}, excused: map[string]string{}, bounds: map[string]int{}, runs: map[string]*runState{}, guards: map[string]Guard{},
	}
}

// Begin says that a pool is being turned over.
func (r *Referee) Begin(pool string, run Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[pool] = &runState{Run: run, Seen: Seen{LeastAvailable: r.available(pool), MostMachines: r.count(pool)}}
	r.note(run.Since, "%s run begins: desired %d, surge %d, unavailable %d", r.name(pool), run.Desired, run.MaxSurge, run.MaxUnavailable)
}

// Raise makes a larger size the desired one: scaling grew the pool in mid-run.
func (r *Referee) Raise(pool string, desired int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.runs[pool]; run != nil && desired > run.Desired {
		r.note(at, "%s desired %d→%d in mid-run", r.name(pool), run.Desired, desired)
		run.Desired = desired
	}
}

// End says that the run is over and tells its extremes.
func (r *Referee) End(pool string, at time.Time) Seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.runs[pool]
	if run == nil {
		return Seen{}
	}
	delete(r.runs, pool)
	r.note(at, "%s run ends: available never below %d, machines never above %d", r.name(pool), run.Seen.LeastAvailable, run.Seen.MostMachines)
	return run.Seen
}

// Bound sets the most machines a pool may have outside a run; 0 is no bound.
func (r *Referee) Bound(pool string, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bounds[pool] = most
}

// Guard watches a workload under a name of the caller's.
func (r *Referee) Guard(name string, g Guard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guards[name] = g
}

// Unguard ends it.
func (r *Referee) Unguard(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.guards, name)
}

// Excuse says that a machine's end is somebody else's doing.
func (r *Referee) Excuse(machine, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.excused[machine] = why
}

// Accuse adds a breach that was found otherwise.
func (r *Referee) Accuse(at time.Time, p Promise, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whistle(at, p, format, args...)
}

// Violations are the broken promises so far, in order.
func (r *Referee) Violations() []Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Violation(nil), r.violations...)
}

// Record is every change so far, in order.
func (r *Referee) Record() []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Change(nil), r.record...)
}

// Nodes are the pool's Nodes by name.
func (r *Referee) Nodes(pool string) []NodeView {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []NodeView
	for _, n := range r.nodes {
		if n.Pool == pool {
			list = append(list, n)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// knows is whether the Node is there, as far as the referee has seen.
func (r *Referee) knows(n NodeView) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[n.Name].Machine == n.Machine
}

func (r *Referee) whistle(at time.Time, p Promise, format string, args ...any) {
	v := Violation{At: at, Promise: p, Text: fmt.Sprintf(format, args...)}
	r.violations = append(r.violations, v)
	r.note(at, "BROKEN %s: %s", p, v.Text)
}

func (r *Referee) note(at time.Time, format string, args ...any) {
	r.record = append(r.record, Change{at, fmt.Sprintf(format, args...)})
}

func (r *Referee) name(pool string) string {
	if n := r.names[pool]; n != "" {
		return n
	}
	return pool
}

// available counts the nodes of a pool that may be counted on.
func (r *Referee) available(pool string) int {
	n := 0
	for _, node := range r.nodes {
		if node.Pool == pool && node.Available() {
			n++
		}
	}
	return n
}

// count counts the machines of a pool, launching and terminating ones too.
func (r *Referee) count(pool string) int {
	n := 0
	for _, m := range r.machines {
		if m.Pool == pool {
			n++
		}
	}
	return n
}

// standIns counts the available nodes of a pool that are younger than its run.
func (r *Referee) standIns(pool string, since time.Time) int {
	n := 0
	for _, node := range r.nodes {
		if node.Pool == pool && node.Available() && !node.Created.Before(since) {
			n++
		}
	}
	return n
}

// byCycle is whether a cordon belongs to the turn-over, and not to the repair
// of a node that stands in for nobody.
func byCycle(n NodeView) bool { return n.Cause == kube.CauseCycle }
