package repair

import (
	"fmt"
	"slices"
	"time"
)

// tick is the step of the virtual clock: every policy looks once a minute.
const tick = time.Minute

// How long things take, for every policy alike.
const (
	drainTime  = 3 * time.Minute
	rebootTime = 4 * time.Minute
	volumeTime = 12 * time.Minute
	deleteTime = 2 * time.Minute
	launchTime = 6 * time.Minute // of a virtual machine, from request to Ready
)

// action is what a policy does to a machine, weakest first.
type action int

const (
	none action = iota
	reboot
	volume
	replace
)

// fault is what is wrong with a node, or seems to be.
type fault struct {
	// silent: the kubelet is not heard. notReady: it says that it is not. alarm: the
	// monitor that the policy relies on says that the root is read-only; seconded,
	// that a second one says so too.
	silent, notReady, alarm, seconded bool
	// healthy: nothing is wrong with the machine. The weakest action that cures
	// is cure; none if no action does.
	healthy bool
	cure    action
	// inherited: a machine made instead has it too, whatever is done.
	inherited bool
	// until is when it is over by itself; zero is never.
	until time.Time
}

// node is a machine and its Node.
type node struct {
	name, pool, zone string
	born             time.Time
	// joins is when a new node is Ready for the first time.
	joins time.Time
	fault *fault
	began time.Time // of the fault, for minutes to repair
	// doing is the action under way until until; gone is a machine that is deleted.
	doing action
	until time.Time
	drain time.Time // of the action: what happens before it
	gone  bool
	// patience is how much longer a policy waits for it to come back.
	patience time.Duration
	// ready and alarm are what is seen, since when.
	ready, alarm           string
	readySince, alarmSince time.Time
	attempts               int
	lastDone               time.Time
	lastAction             action
}

// pool is a node pool.
type pool struct {
	name  string
	size  int
	gpu   bool
	start time.Duration // from launch to Ready; launchTime if zero
}

// fleet is the truth.
type fleet struct {
	now    time.Time
	began  time.Time
	pools  []pool
	nodes  []*node
	serial int
	// apiDown: no kubelet reaches the API server, and no repairer either.
	apiDown bool
	up      time.Time // when it was last found to be there again
	// bad is the fault of machines that are made now.
	bad *fault

	destroyed, rebooted int
	repaired            []time.Duration
}

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newFleet(pools []pool) *fleet {
	f := &fleet{now: epoch, began: epoch, pools: pools}
	for _, p := range pools {
		for range p.size {
			n := f.launch(p)
			n.born, n.joins = epoch.Add(-48*time.Hour), epoch.Add(-47*time.Hour)
			n.ready, n.readySince = "True", n.joins
		}
	}
	return f
}

// launch makes a machine of a pool, in the zone with the fewest.
func (f *fleet) launch(p pool) *node {
	f.serial++
	n := &node{name: fmt.Sprintf("%s-%03d", p.name, f.serial), pool: p.name, zone: f.emptiest(p.name), born: f.now,
		joins: f.now.Add(or(p.start, launchTime)), ready: "", alarm: "False"}
	if f.bad != nil {
		f.hurt(n, *f.bad)
	}
	f.nodes = append(f.nodes, n)
	return n
}

func (f *fleet) emptiest(pool string) string {
	zones := []string{"AD-1", "AD-2", "AD-3"}
	count := map[string]int{}
	for _, n := range f.nodes {
		if n.pool == pool && !n.gone {
			count[n.zone]++
		}
	}
	return slices.MinFunc(zones, func(a, b string) int { return count[a] - count[b] })
}

// hurt gives a node a fault.
func (f *fleet) hurt(n *node, x fault) {
	n.fault, n.began = &x, f.now
}

// heal ends a fault, if its time has come or it was cured.
func (f *fleet) heal(n *node) {
	if n.fault != nil && !n.fault.healthy && n.fault.cure != none {
		f.repaired = append(f.repaired, f.now.Sub(n.began))
	}
	n.fault = nil
}

// do begins an action. What it costs is counted when it begins: the decision is
// made.
func (f *fleet) do(n *node, a action) {
	n.doing, n.drain = a, f.now.Add(drainTime)
	n.until = n.drain.Add(map[action]time.Duration{reboot: rebootTime, volume: volumeTime, replace: deleteTime}[a])
	n.attempts++
	n.lastAction = a
	if x := n.fault; x != nil && !x.healthy && !x.inherited {
		return // it was sick, and another one may be well
	}
	if a == reboot {
		f.rebooted++
	} else {
		f.destroyed++
	}
}

// step moves the clock by a tick and lets things happen.
func (f *fleet) step() {
	f.now = f.now.Add(tick)
	for _, n := range slices.Clone(f.nodes) {
		if n.fault != nil && !n.fault.until.IsZero() && !f.now.Before(n.fault.until) {
			f.heal(n)
		}
		if n.doing != none && !f.now.Before(n.until) {
			f.finish(n)
		}
	}
	f.nodes = slices.DeleteFunc(f.nodes, func(n *node) bool { return n.gone })
	for _, n := range f.nodes {
		f.signal(n)
	}
}

// finish ends an action.
func (f *fleet) finish(n *node) {
	a := n.doing
	if x := n.fault; x != nil && x.silent && a != replace && (x.cure == none || x.cure > a) && f.now.Before(n.until.Add(n.patience)) {
		return // whoever restarted it waits whether it comes back
	}
	n.doing, n.lastDone = none, f.now
	if a == replace {
		n.gone = true
		next := f.launch(f.poolOf(n.pool))
		if n.fault != nil && !n.fault.healthy && n.fault.cure != none && next.fault == nil {
			f.repaired = append(f.repaired, next.joins.Sub(n.began))
		}
		return
	}
	if n.fault != nil && n.fault.cure != none && n.fault.cure <= a {
		f.heal(n)
	}
}

func (f *fleet) poolOf(name string) pool {
	return f.pools[slices.IndexFunc(f.pools, func(p pool) bool { return p.name == name })]
}

// signal is what is seen of a node now.
func (f *fleet) signal(n *node) {
	ready := "True"
	switch x := n.fault; {
	case f.apiDown && n.ready != "":
		return // nobody is there to write it
	case f.now.Sub(f.up) < tick && n.ready != "" && n.ready != "Unknown" && x != nil && x.silent:
		return // the control plane gives every node its time anew
	case n.ready == "" && f.now.Before(n.joins):
		return // it has not joined
	case n.ready == "" && x != nil && (x.silent || x.notReady):
		return // and will not
	case x != nil && x.silent, n.doing == reboot && !f.now.Before(n.drain), n.doing == volume && !f.now.Before(n.drain):
		ready = "Unknown"
	case x != nil && x.notReady:
		ready = "False"
	}
	if ready != n.ready {
		n.ready, n.readySince = ready, f.now
	}
	alarm := "False"
	if n.fault != nil && n.fault.alarm {
		alarm = "True"
	}
	if alarm != n.alarm {
		n.alarm, n.alarmSince = alarm, f.now
	}
}

// unrepaired are the nodes with a true fault that something could have cured.
func (f *fleet) unrepaired() []*node {
	var out []*node
	for _, n := range f.nodes {
		if n.fault != nil && !n.fault.healthy && n.fault.cure != none {
			out = append(out, n)
		}
	}
	return out
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
