package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// The judge is the referee of a soak. In a story everything stands still but for
// what the story does; in a soak nodes die while others are cordoned, runs begin
// and end unannounced, and the budget's controller is a second late because its
// API server has just come back. So the judge learns from what is stored when a
// run begins, and judges with a lag: nobody is blamed for what he could not know
// that long ago. It has no clock and no client, as the referee.
type judge struct {
	mu  sync.Mutex
	lag time.Duration
	log io.Writer

	nodes    map[string]*seenNode
	had      map[string]NodeView // machine → its Node as it was last seen
	machines map[string]MachineView
	pods     map[types.NamespacedName]PodView
	pools    map[string]*seenPool // by OCID
	guards   map[string]*seenGuard
	excused  map[string]string
	people   map[string]bool // nodes that a person has cordoned

	breaches []breach
	counts   map[string]int
	moved    time.Time // when tidemill last changed a node or a machine came or went
}

type seenNode struct {
	NodeView
	uid  types.UID
	lost time.Time // when it ceased to be available, not by a cordon
}

// seenPool is a pool and its run.
type seenPool struct {
	name       string
	min, bound int // least size, most machines
	unavail    int
	running    bool
	desired    int // of the run
	before     int // desired until then
	since      time.Time
	paused     time.Time // zero while it is not
	size       int
	small      time.Time // since when size is below min, zero if it is not
}

// floor is the least that must stay available; a desired number that was raised
// counts after the lag.
func (p *seenPool) floor(at time.Time, lag time.Duration) int {
	if at.Sub(p.since) < lag {
		return min(p.desired, p.before) - p.unavail
	}
	return p.desired - p.unavail
}

type seenGuard struct {
	least int
	short time.Time // since when no more than that are healthy, zero if more
}

// breach is a broken promise of a soak.
type breach struct {
	At   time.Time `json:"at"`
	Rule string    `json:"rule"`
	Text string    `json:"text"`
}

func newJudge(lag time.Duration, log io.Writer) *judge {
	return &judge{
		lag: lag, log: log, nodes: map[string]*seenNode{}, had: map[string]NodeView{}, machines: map[string]MachineView{}, pods: map[types.NamespacedName]PodView{},
		pools: map[string]*seenPool{}, guards: map[string]*seenGuard{}, excused: map[string]string{}, people: map[string]bool{}, counts: map[string]int{},
	}
}

func (j *judge) blame(at time.Time, rule, format string, args ...any) {
	b := breach{at, rule, fmt.Sprintf(format, args...)}
	j.breaches = append(j.breaches, b)
	j.note(at, "BROKEN %s: %s", rule, b.Text)
}

func (j *judge) note(at time.Time, format string, args ...any) {
	// A record that cannot be written is missed by people only.
	_, _ = fmt.Fprintf(j.log, "%s %s\n", at.Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// say notes what the soak itself does.
func (j *judge) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(time.Now(), "# "+format, args...)
}

// accuse is a breach that was found otherwise.
func (j *judge) accuse(rule, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.blame(time.Now(), rule, format, args...)
}

func (j *judge) excuse(machine, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.excused[machine] = why
}

// person says that a node's cordon is a person's, or no longer.
func (j *judge) person(node string, has bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.people[node] = has
}

// seeNode is a Node as it is stored.
func (j *judge) seeNode(n *corev1.Node, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v, old := viewNode(n), j.nodes[n.Name]
	known := old != nil && old.uid == n.UID
	if known && old.NodeView == v {
		return
	}
	now := &seenNode{NodeView: v, uid: n.UID}
	var before NodeView
	if known {
		before, now.lost = old.NodeView, old.lost
		if before.Available() && !v.Available() && !v.Cordoned {
			now.lost = at
		}
	}
	j.nodes[n.Name] = now
	if v.Machine != "" {
		j.had[v.Machine] = v
	}
	if text := difference(before, v, known); text != "" {
		j.note(at, "node %s (%s): %s; available %d", n.Name, j.name(v.Pool), text, j.available(v.Pool, at, 0))
	}
	switch {
	case v.Cordoned && !before.Cordoned && v.Cause != "":
		j.counts["cordoned for "+string(v.Cause)]++
		j.moved = at
		j.judgeCordon(before, v, at)
	case known && before.Cordoned && !v.Cordoned:
		j.counts["uncordoned"]++
		j.moved = at
		if j.people[n.Name] {
			j.blame(at, "own marks only", "node %s was uncordoned, which a person had cordoned", n.Name)
		}
	case before.Cause != v.Cause:
		j.moved = at
	}
}

// judgeCordon judges a cordon of tidemill's: the floor, and a pause.
func (j *judge) judgeCordon(before, v NodeView, at time.Time) {
	p := j.pools[v.Pool]
	if p == nil {
		return
	}
	if !p.paused.IsZero() && at.Sub(p.paused) > j.lag && byCycle(v) {
		j.blame(at, "paused means paused", "node %s of %s was cordoned for %s, %s after the pause", v.Name, p.name, v.Cause, at.Sub(p.paused).Round(time.Second))
	}
	if !p.running || !byCycle(v) || !before.Available() {
		return
	}
	if is, floor := j.available(v.Pool, at, j.lag), p.floor(at, j.lag); is < floor {
		j.blame(at, "floor", "%s has %d available after node %s was cordoned (%s), floor %d (desired %d, unavailable %d)", p.name, is, v.Name, v.Cause, floor, p.desired, p.unavail)
	}
}

// available counts the nodes of a pool that may be counted on, and those that
// were lost so short a time ago that nobody could know.
func (j *judge) available(pool string, at time.Time, lag time.Duration) int {
	count := 0
	for _, n := range j.nodes {
		if n.Pool == pool && (n.Available() || (!n.Cordoned && !n.lost.IsZero() && at.Sub(n.lost) < lag)) {
			count++
		}
	}
	return count
}

// seePool is a Pool as it is stored: its policy and its run.
func (j *judge) seePool(o *v1alpha1.Pool, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.pools[o.Spec.NodePoolID]
	if p == nil {
		return
	}
	run := o.Status.Cycle
	switch {
	case run != nil && (!p.running || int(run.Desired) != p.desired):
		if !p.running {
			j.counts["runs begun"]++
			p.before = int(run.Desired)
		} else {
			p.before = p.desired
		}
		p.running, p.desired, p.since = true, int(run.Desired), at
		j.note(at, "pool %s: run %s, desired %d", p.name, run.Request, run.Desired)
	case run == nil && p.running:
		p.running = false
		outcome := "unknown"
		if last := o.Status.LastCycle; last != nil {
			outcome = last.Outcome
		}
		j.counts["runs ended: "+outcome]++
		j.note(at, "pool %s: run ended: %s", p.name, outcome)
	}
	_, paused := o.Annotations[v1alpha1.AnnotationPause]
	if paused && p.paused.IsZero() {
		p.paused = at
	} else if !paused {
		p.paused = time.Time{}
	}
}

// losePool is a Pool that somebody deleted: its run is over, what it allowed too.
func (j *judge) losePool(name string, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.pools {
		if p.name == name {
			p.running, p.paused = false, time.Time{}
			j.note(at, "pool %s: deleted", name)
		}
	}
}

// seeMachines is the list of all machines, and sizes the pools' sizes by OCID.
func (j *judge) seeMachines(list []MachineView, sizes map[string]int, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, count := make(map[string]MachineView, len(list)), map[string]int{}
	for _, m := range list {
		now[m.ID] = m
		if j.excused[m.ID] == "" { // its successor may come before it is gone
			count[m.Pool]++
		}
	}
	for _, m := range list {
		switch old, known := j.machines[m.ID]; {
		case !known:
			j.counts["machines made"]++
			j.moved = at
			j.note(at, "machine %s (%s): made, %d", tail(m.ID), j.name(m.Pool), count[m.Pool])
			if p := j.pools[m.Pool]; p != nil && count[m.Pool] > p.bound {
				j.blame(at, "ceiling", "%s has %d machines, %d at most", p.name, count[m.Pool], p.bound)
			}
		case m.Leaving && !old.Leaving:
			j.judgeEnd(m, at)
		}
	}
	for id, old := range j.machines {
		if _, still := now[id]; !still && !old.Leaving {
			j.judgeEnd(old, at)
		}
	}
	j.machines = now
	for id, size := range sizes {
		p := j.pools[id]
		if p != nil && size != p.size {
			j.note(at, "pool %s: size %d→%d", p.name, p.size, size)
			p.size = size
		}
		if p != nil {
			j.judgeSize(p, at)
		}
	}
}

// judgeSize judges a pool that is too small for long. For a moment it may be: the
// entry of a lost machine is taken out of a pool at its minimum, and then another
// is asked for.
func (j *judge) judgeSize(p *seenPool, at time.Time) {
	switch {
	case p.size >= p.min:
		p.small = time.Time{}
	case p.small.IsZero():
		p.small = at
		j.counts["below the minimum"]++
	case at.Sub(p.small) > 6*j.lag:
		j.blame(at, "minimum", "%s has had size %d for %s, its minimum is %d", p.name, p.size, at.Sub(p.small).Round(time.Second), p.min)
		p.small = at // again when it lasts as long once more
	}
}

// judgeEnd judges a machine that begins to terminate.
func (j *judge) judgeEnd(m MachineView, at time.Time) {
	n, had := j.had[m.ID]
	why := j.excused[m.ID]
	j.counts["machines ended"]++
	j.moved = at
	j.note(at, "machine %s (%s): terminating%s", tail(m.ID), j.name(m.Pool), why)
	switch {
	case !had || why != "":
	case !n.Cordoned:
		j.blame(at, "no surprise delete", "machine of node %s (%s) terminated without a cordon", n.Name, j.name(m.Pool))
	default:
		if left := j.residents(n); len(left) > 0 {
			j.blame(at, "no surprise delete", "machine of node %s (%s) terminated with %d pods on it: %s", n.Name, j.name(m.Pool), len(left), strings.Join(left, ", "))
		}
	}
}

// residents are the pods that should have left a node before its end. One that was asked
// and cannot, because its kubelet is dead, is none.
func (j *judge) residents(n NodeView) []string {
	var left []string
	for _, p := range j.pods {
		if p.Node == n.Name && !p.Resident && (n.Ready || !p.Leaving) {
			left = append(left, p.Key.String())
		}
	}
	slices.Sort(left)
	return left
}

func (j *judge) loseNode(name string, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.nodes[name]; n != nil {
		j.note(at, "node %s (%s): gone", name, j.name(n.Pool))
		delete(j.nodes, name)
		delete(j.people, name)
	}
}

// seePod is a pod as it is stored.
func (j *judge) seePod(o *corev1.Pod, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := viewPod(o)
	before := j.pods[p.Key]
	j.pods[p.Key] = p
	g := j.guards[p.Labels["app"]]
	if g == nil || p.Key.Namespace != shop {
		return
	}
	if p.Leaving && !before.Leaving && before.Ready && (p.By == "" || p.By == evicted) {
		j.judgeEviction(g, p, at)
	}
	j.measure(p.Labels["app"], g, at)
}

// judgeEviction judges a ready pod of a guarded workload that was asked to go.
func (j *judge) judgeEviction(g *seenGuard, p PodView, at time.Time) {
	app := p.Labels["app"]
	healthy := j.healthy(app)
	j.counts["evictions"]++
	j.note(at, "pod %s: asked to leave node %s; %s has %d of at least %d", p.Key.Name, p.Node, app, healthy, g.least)
	switch {
	case p.By != evicted:
		j.blame(at, "eviction only", "pod %s of %s was deleted and not evicted", p.Key, app)
	case healthy < g.least && !g.short.IsZero() && at.Sub(g.short) > j.lag:
		j.blame(at, "PDB", "%s has %d ready pods, %d at least, after pod %s was asked to leave; it has been short for %s", app, healthy, g.least, p.Key, at.Sub(g.short))
	}
}

func (j *judge) measure(app string, g *seenGuard, at time.Time) {
	switch healthy := j.healthy(app); {
	case healthy > g.least:
		g.short = time.Time{}
	case g.short.IsZero():
		g.short = at
	}
}

func (j *judge) losePod(key types.NamespacedName, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p, known := j.pods[key]
	delete(j.pods, key)
	if g := j.guards[p.Labels["app"]]; known && g != nil {
		j.measure(p.Labels["app"], g, at)
	}
}

func (j *judge) healthy(app string) int {
	n := 0
	for _, p := range j.pods {
		if p.Key.Namespace == shop && p.Labels["app"] == app && p.Ready && !p.Leaving {
			n++
		}
	}
	return n
}

func (j *judge) name(pool string) string {
	if p := j.pools[pool]; p != nil {
		return p.name
	}
	return tail(pool)
}

// calm is since when nothing has been done to a node or a machine.
func (j *judge) calm() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.moved
}

func (j *judge) verdict() ([]breach, map[string]int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	counts := map[string]int{}
	for k, v := range j.counts {
		counts[k] = v
	}
	return slices.Clone(j.breaches), counts
}
