package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// SeeNode is a Node that appeared or changed.
func (r *Referee) SeeNode(n NodeView, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.nodes[n.Name]
	if known && before == n {
		return
	}
	was := r.available(n.Pool)
	r.nodes[n.Name] = n
	if n.Machine != "" {
		r.had[n.Machine] = n
	}
	is := r.available(n.Pool)
	if text := difference(before, n, known); text != "" {
		r.note(at, "%s node %s: %s; available %d", r.name(n.Pool), n.Name, text, is)
	}
	run := r.runs[n.Pool]
	if run == nil {
		return
	}
	run.Seen.LeastAvailable = min(run.Seen.LeastAvailable, is)
	switch {
	case n.Cordoned && !before.Cordoned:
		r.judgeCordon(run, n, before.Available(), was, is, at)
	case before.Cordoned && !n.Cordoned && byCycle(before) && n.Created.Before(run.Since):
		run.cordoned = max(run.cordoned-1, 0) // given back
	}
	if known && before.Boot != n.Boot && before.Boot != "" && r.excused[n.Machine] == "" {
		r.judgeBoot(n, before.Cordoned || n.Cordoned || n.Cause != "", at) // OKE takes the cordon back while it boots
	}
}

// judgeBoot judges a machine that has booted anew under its Node in a run.
func (r *Referee) judgeBoot(n NodeView, cordoned bool, at time.Time) {
	if !cordoned {
		r.whistle(at, NoSurpriseDelete, "machine of node %s (%s) booted anew without a cordon", n.Name, r.name(n.Pool))
	} else if left := r.residents(n); len(left) > 0 {
		r.whistle(at, NoSurpriseDelete, "machine of node %s (%s) booted anew with %d pods on it: %s", n.Name, r.name(n.Pool), len(left), strings.Join(left, ", "))
	}
}

// judgeCordon judges the one thing by which tidemill takes availability away. A
// node that was not available before takes nothing away.
func (r *Referee) judgeCordon(run *runState, n NodeView, counted bool, was, is int, at time.Time) {
	if floor := run.Desired - run.MaxUnavailable; is < was && is < floor {
		r.whistle(at, Floor, "%s has %d available after node %s was cordoned (%s), floor %d (desired %d, unavailable %d)",
			r.name(n.Pool), is, n.Name, n.Cause, floor, run.Desired, run.MaxUnavailable)
	}
	// A node that was not counted on needs no stand-in.
	if !byCycle(n) || !counted {
		return
	}
	if run.Zones > 1 {
		r.judgeZone(run, n, at)
	}
	// One of the run's own nodes may go again, so that zones are even in the end:
	// it needs no stand-in, but it stands in for nobody any more.
	if n.Created.Before(run.Since) {
		run.cordoned++
		run.Seen.Cordoned = run.cordoned
	}
	if ins := r.standIns(n.Pool, run.Since); run.cordoned > ins+run.MaxUnavailable {
		r.whistle(at, ReplaceFirst, "%s has cordoned %d old nodes, with %d stand-ins and %d allowed unavailable (node %s)",
			r.name(n.Pool), run.cordoned, ins, run.MaxUnavailable, n.Name)
	}
}

// judgeZone judges the cordon by what is left in the node's zone. The zone's floor
// yields (decision 0004) for one node at a time, when nothing else of the pool is
// on its way out or in.
func (r *Referee) judgeZone(run *runState, n NodeView, at time.Time) {
	left, floor := 0, run.Desired/run.Zones-run.MaxUnavailable
	for _, o := range r.nodes {
		if o.Pool == n.Pool && o.Zone == n.Zone && o.Available() {
			left++
		}
	}
	if left >= floor {
		return
	}
	var moving []string
	for id, m := range r.machines {
		had, joined := r.had[id]
		if m.Pool == n.Pool && id != n.Machine && (m.Leaving || !joined || had.Cordoned && had.Cause == n.Cause) {
			moving = append(moving, tail(id))
		}
	}
	if len(moving) > 0 {
		slices.Sort(moving)
		r.whistle(at, Floor, "zone %s of %s has %d available after node %s was cordoned, floor %d, and it may not yield while %s are on their way",
			n.Zone, r.name(n.Pool), left, n.Name, floor, strings.Join(moving, ", "))
	}
}

// LoseNode is a Node that is gone.
func (r *Referee) LoseNode(name string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, known := r.nodes[name]
	if !known {
		return
	}
	delete(r.nodes, name)
	r.note(at, "%s node %s: gone; available %d", r.name(n.Pool), name, r.available(n.Pool))
}

// SeeMachines is the list of all machines that exist, terminating ones too.
func (r *Referee) SeeMachines(list []MachineView, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]MachineView, len(list))
	for _, m := range list {
		now[m.ID] = m
		switch old, known := r.machines[m.ID]; {
		case !known:
			r.note(at, "%s machine %s: made", r.name(m.Pool), tail(m.ID))
		case m.Leaving && !old.Leaving:
			r.judgeEnd(m, at)
		}
	}
	for id, old := range r.machines {
		if _, still := now[id]; still {
			continue
		}
		if !old.Leaving { // it went between two looks
			r.judgeEnd(old, at)
		}
		r.note(at, "%s machine %s: gone", r.name(old.Pool), tail(id))
	}
	changed := len(now) != len(r.machines)
	r.machines = now
	r.judgeCount(changed, at)
}

// suspects are the Nodes of machines whose end, which this list shows, would be
// called a breach by what has been seen so far.
func (r *Referee) suspects(list []MachineView) []NodeView {
	r.mu.Lock()
	defer r.mu.Unlock()
	stays := map[string]bool{}
	for _, m := range list {
		stays[m.ID] = !m.Leaving
	}
	var out []NodeView
	for id, m := range r.machines {
		if n, had := r.had[id]; had && !m.Leaving && !stays[id] && r.excused[id] == "" && (!n.Cordoned || len(r.residents(n)) > 0) {
			out = append(out, n)
		}
	}
	return out
}

// judgeCount compares each pool with its ceiling.
func (r *Referee) judgeCount(changed bool, at time.Time) {
	pools := map[string]bool{}
	for _, m := range r.machines {
		pools[m.Pool] = true
	}
	for pool := range pools {
		n, most := r.count(pool), r.bounds[pool]
		run := r.runs[pool]
		if run != nil {
			run.Seen.MostMachines = max(run.Seen.MostMachines, n)
			most = run.Desired + run.MaxSurge
		}
		if changed && most > 0 && n > most {
			r.whistle(at, Ceiling, "%s has %d machines, %d at most", r.name(pool), n, most)
		}
	}
}

// judgeEnd judges a machine that begins to terminate.
func (r *Referee) judgeEnd(m MachineView, at time.Time) {
	n, had := r.had[m.ID]
	r.note(at, "%s machine %s: terminating", r.name(m.Pool), tail(m.ID))
	switch {
	case !had, r.excused[m.ID] != "":
	case !n.Cordoned:
		r.whistle(at, NoSurpriseDelete, "machine of node %s (%s) terminated without a cordon", n.Name, r.name(m.Pool))
	default:
		if left := r.residents(n); len(left) > 0 {
			r.whistle(at, NoSurpriseDelete, "machine of node %s (%s) terminated with %d pods on it: %s", n.Name, r.name(m.Pool), len(left), strings.Join(left, ", "))
		}
	}
}

// residents are the pods on a node that should have left it.
func (r *Referee) residents(n NodeView) []string {
	var left []string
	for _, p := range r.pods {
		if p.residesOn(n) {
			left = append(left, p.Key.String())
		}
	}
	slices.Sort(left)
	return left
}

// SeePod is a pod that appeared or changed.
func (r *Referee) SeePod(p PodView, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.pods[p.Key]
	r.pods[p.Key] = p
	if !p.Leaving || before.Leaving || !before.Ready || (p.By != "" && p.By != evicted) {
		return
	}
	for name, g := range r.guards {
		if p.Key.Namespace == g.Namespace && g.Selector.Matches(p.Labels) {
			r.judgeEviction(name, g, p, at)
		}
	}
}

// judgeEviction judges a ready pod of a guarded workload that was asked to go.
func (r *Referee) judgeEviction(name string, g Guard, p PodView, at time.Time) {
	healthy := r.healthy(g)
	r.note(at, "pod %s: asked to leave node %s; %s has %d of at least %d", p.Key.Name, p.Node, name, healthy, g.Min)
	if healthy < g.Min {
		r.whistle(at, PDB, "%s has %d ready pods, %d at least, after pod %s was asked to leave", name, healthy, g.Min, p.Key)
	}
	if p.By != evicted {
		r.whistle(at, PDB, "pod %s of %s was deleted and not evicted", p.Key, name)
	}
}

// LosePod is a pod that is gone.
func (r *Referee) LosePod(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, key)
}

func (r *Referee) healthy(g Guard) int {
	n := 0
	for _, p := range r.pods {
		if p.Key.Namespace == g.Namespace && p.Ready && !p.Leaving && g.Selector.Matches(p.Labels) {
			n++
		}
	}
	return n
}

// difference says what changed of a node, "" if nothing that is recorded.
func difference(before, n NodeView, known bool) string {
	if !known {
		return "joined with " + n.Version
	}
	var parts []string
	for _, c := range []struct {
		was, is   bool
		gain, end string
	}{
		{before.Ready, n.Ready, "ready", "not ready"},
		{before.Passed, n.Passed, "passed its checks", "not passed"},
		{before.Cordoned, n.Cordoned, "cordoned", "uncordoned"},
	} {
		switch {
		case c.is && !c.was:
			parts = append(parts, c.gain)
		case c.was && !c.is:
			parts = append(parts, c.end)
		}
	}
	if before.Cause != n.Cause {
		parts = append(parts, fmt.Sprintf("mark %q→%q", before.Cause, n.Cause))
	}
	return strings.Join(parts, ", ")
}

// tail is the end of an OCID, enough to tell machines apart.
func tail(id string) string { return id[max(0, len(id)-10):] }
