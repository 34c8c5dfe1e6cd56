package okesim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Kubernetes is the other half of the service: what OKE does to a cluster's Nodes before it touches their machines. The emulator knows
// instances only, so whoever has an API server implements this on it; without one every node is empty at once.
//
// The methods are called like OnEvent: outside all locks, one at a time, in order, together with the events. They must return soon.
type Kubernetes interface {
	// Evict cordons the instance's Node and begins to evict its pods. The outcome is told by [Sim.Evicted].
	Evict(Eviction)
	// Uncordon takes back Evict's cordon: the machine was rebooted and is back.
	Uncordon(Instance)
	// Hold tells other autoscalers to leave the Node alone while OKE cycles its pool, or (false) that it is over. OKE does it by
	// the annotation cluster-autoscaler.kubernetes.io/scale-down-disabled.
	Hold(i Instance, hold bool)
}

// An Eviction is OKE's wish to have a Node empty.
type Eviction struct {
	Instance Instance
	Grace    time.Duration // how long OKE waits, 60 minutes at most
	Force    bool          // what happens then: go on (true), or give up and leave the Node cordoned
}

// eviction is how a call wants nodes to be emptied. Zero grace is not at all, as with PT0M.
type eviction struct {
	grace time.Duration
	force bool
}

// defaultEviction is the service's: an hour, and then the node stays.
var defaultEviction = eviction{grace: maxGrace}

const maxGrace = time.Hour

// evicting is an eviction under way; whoever replaces it in Sim.evictions has called it off.
type evicting struct {
	force bool
	then  func(emptied bool)
}

// evict has the node emptied and then calls then, with mu held. A node that never had pods is empty.
func (s *Sim) evict(n *node, how eviction, then func(emptied bool)) {
	if n.inst == nil || n.inst.State != stateRunning || how.grace == 0 || s.opt.Kubernetes == nil || !n.joined {
		then(true)
		return
	}
	e := &evicting{force: how.force, then: then}
	id, order := n.inst.ID, Eviction{Instance: n.inst.view(), Grace: how.grace, Force: how.force}
	s.evictions[id] = e
	s.post(func() { s.opt.Kubernetes.Evict(order) })
	s.after(how.grace, func() { s.evicted(id, e, false) })
}

// Evicted is the answer to [Kubernetes].Evict: the Node of the instance is empty (nil), or evicting it was given up. An error does
// not stop an eviction with force. An answer that nobody waits for is dropped.
func (s *Sim) Evicted(instance string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.evictions[instance]; e != nil {
		s.evicted(instance, e, err == nil)
	}
}

func (s *Sim) evicted(id string, e *evicting, emptied bool) {
	if s.evictions[id] != e {
		return
	}
	delete(s.evictions, id)
	e.then(emptied || e.force)
}

func (s *Sim) uncordon(i *instance) {
	if v := i.view(); s.opt.Kubernetes != nil {
		s.post(func() { s.opt.Kubernetes.Uncordon(v) })
	}
}

func (s *Sim) hold(i *instance, hold bool) {
	if i == nil || s.opt.Kubernetes == nil {
		return
	}
	v := i.view()
	s.post(func() { s.opt.Kubernetes.Hold(v, hold) })
}

// settings is both nodeEvictionNodePoolSettings of a pool and nodeEvictionSettings of an action on one node.
type evictionSettings struct {
	Grace       *string `json:"evictionGraceDuration"`
	ForceDelete bool    `json:"isForceDeleteAfterGraceDuration"`
	ForceAction bool    `json:"isForceActionAfterGraceDuration"`
}

// deletion is how the settings empty a node that goes; action how they empty one that is only restarted.
func (e evictionSettings) deletion() (eviction, error) { return e.with(e.ForceDelete) }
func (e evictionSettings) action() (eviction, error)   { return e.with(e.ForceAction) }

func (e evictionSettings) with(force bool) (eviction, error) {
	how := eviction{grace: maxGrace, force: force}
	var err error
	if e.Grace != nil {
		how.grace, err = parseGrace("evictionGraceDuration", *e.Grace)
	}
	return how, err
}

var duration = regexp.MustCompile(`^PT([0-9]{1,4}H)?([0-9]{1,4}M)?([0-9]{1,4}S)?$`)

// parseGrace reads an ISO 8601 duration from nothing to an hour.
func parseGrace(field, text string) (time.Duration, error) {
	if !duration.MatchString(text) || text == "PT" {
		return 0, errInvalid("%s %q is not a duration like PT30M", field, text)
	}
	d, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(text, "PT")))
	if err != nil || d > maxGrace {
		return 0, errInvalid("%s must be PT0M to PT60M, not %q", field, text)
	}
	return d, nil
}

// poolEviction is the pool's own setting, the service's default without one.
func (p Pool) poolEviction() evictionSettings {
	var e evictionSettings
	if raw := p.Opaque["nodeEvictionNodePoolSettings"]; raw != nil {
		_ = json.Unmarshal(raw, &e) // checked when it was written
	}
	return e
}

// removal is how a call that removes nodes wants them emptied: its own override, or the pool's setting.
func (s *Sim) removal(c *call, pool string) (eviction, error) {
	how := defaultEviction
	if p, err := s.findPool(pool); err == nil { // one that is missing is refused later, with better words
		how, _ = p.spec.poolEviction().deletion()
	}
	force, err := c.flag("isForceDeletionAfterOverrideGraceDuration")
	if err != nil {
		return how, err
	}
	if text := c.query("overrideEvictionGraceDuration"); text != "" {
		if how.grace, err = parseGrace("overrideEvictionGraceDuration", text); err != nil {
			return how, err
		}
	}
	if c.query("isForceDeletionAfterOverrideGraceDuration") != "" {
		how.force = force
	}
	return how, nil
}

// notEmptied is what a work request says of a node whose pods would not go.
func notEmptied(n *node) (code, message string) {
	return "EvictionFailed", fmt.Sprintf("Node %s could not be drained within the eviction grace duration. It stays cordoned.", n.name)
}
