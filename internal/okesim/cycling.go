package okesim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Modes of the service's own node cycling.
const (
	ModeInstanceReplace   = "INSTANCE_REPLACE"
	ModeBootVolumeReplace = "BOOT_VOLUME_REPLACE"
)

// Cycling asks the service to bring every node of a pool to the pool's present properties.
type Cycling struct {
	Modes          []string // in order of preference; none means INSTANCE_REPLACE. The first that mends a node's drift is used for it
	MaxSurge       string   // "1" or "25%" of the size, rounded up; default 1. Without meaning for boot volumes
	MaxUnavailable string   // "0" or "10%", rounded down; default 0, for boot volumes 1
}

// cyclingWrite is nodePoolCyclingDetails on the wire.
type cyclingWrite struct {
	Enabled        bool     `json:"isNodeCyclingEnabled"`
	MaxSurge       string   `json:"maximumSurge"`
	MaxUnavailable string   `json:"maximumUnavailable"`
	Modes          []string `json:"cycleModes"`
}

func parseCycling(raw json.RawMessage) (*Cycling, error) {
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var w cyclingWrite
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, errUnparsable(err)
	}
	c := &Cycling{Modes: w.Modes, MaxSurge: w.MaxSurge, MaxUnavailable: w.MaxUnavailable}
	if _, err := c.bounds(1); err != nil {
		return nil, err // also when it is only stored for later
	}
	if !w.Enabled {
		return nil, nil
	}
	return c, nil
}

type cycleBounds struct{ surge, unavailable int }

// bounds checks the request and counts it out for a pool of this size.
func (c Cycling) bounds(size int) (b cycleBounds, err error) {
	for _, mode := range c.Modes {
		if mode != ModeInstanceReplace && mode != ModeBootVolumeReplace {
			return b, errInvalid("cycleModes: %q is not known", mode)
		}
	}
	replaces := len(c.Modes) == 0 || slices.Contains(c.Modes, ModeInstanceReplace)
	surge, unavailable := "1", "0"
	if !replaces {
		surge, unavailable = "0", "1"
	}
	if c.MaxSurge != "" && replaces {
		surge = c.MaxSurge
	}
	if c.MaxUnavailable != "" {
		unavailable = c.MaxUnavailable
	}
	if b.surge, err = countOut("maximumSurge", surge, size, true); err != nil {
		return b, err
	}
	if b.unavailable, err = countOut("maximumUnavailable", unavailable, size, false); err != nil {
		return b, err
	}
	if zero(unavailable) && (zero(surge) || slices.Contains(c.Modes, ModeBootVolumeReplace)) {
		return b, errInvalid("maximumSurge and maximumUnavailable cannot both be 0, nor maximumUnavailable for replacing boot volumes")
	}
	if b.surge == 0 { // a percentage of a small pool: at least one node must move
		b.unavailable = max(1, b.unavailable)
	}
	return b, nil
}

func zero(text string) bool { return text == "0" || text == "0%" }

// countOut reads "2" or "25%" of size.
func countOut(field, text string, size int, up bool) (int, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || (percent && n > 100) {
		return 0, errInvalid("%s must be a number or a percentage up to 100%%, not %q", field, text)
	}
	switch {
	case !percent:
		return n, nil
	case up:
		return (n*size + 99) / 100, nil
	}
	return n * size / 100, nil
}

// cycling is a cycle under way. Nothing of it but its bounds is remembered: which nodes are left is their drift.
type cycling struct {
	Cycling
	w        *workRequest
	spots    []spot // of the nodes that differ, in order: each new one goes where an old one stands
	stopping bool   // begin nothing more: a node could not be made, or the request was cancelled
}

type spot struct {
	place Placement
	fd    string
}

// checkCycling refuses what the service refuses.
func (s *Sim) checkCycling(p *pool, u PoolUpdate) error {
	smaller := u.Size != nil && *u.Size < p.spec.Size
	switch {
	case p.cycling != nil && u.Cycling != nil:
		return errIncorrectState("node pool %s is being cycled", p.id)
	case p.cycling != nil && smaller:
		return errIncorrectState("node pool %s is being cycled: its size cannot be reduced", p.id)
	case (p.cycling != nil || u.Cycling != nil) && u.Placements != nil && !slices.EqualFunc(u.Placements, p.spec.Placements, Placement.equal):
		return errConflict("Cannot perform nodepool cycling and nodepool Placement Configuration change simultaneously.")
	case u.Cycling == nil:
		return nil
	case smaller:
		return errInvalid("the size of a node pool cannot be reduced by a request that cycles it")
	case p.busy > 0:
		return errIncorrectState("node pool %s is %s: it cannot be cycled while other work is under way", p.id, p.state)
	}
	c, err := s.findCluster(p.spec.ClusterID)
	if err != nil {
		return err
	}
	if c.Type != "ENHANCED_CLUSTER" {
		return errInvalid("node cycling is available in enhanced clusters only, and cluster %s is a basic one", c.ID)
	}
	_, err = u.Cycling.bounds(p.spec.Size)
	return err
}

func (pl Placement) equal(o Placement) bool {
	return pl.same(o) && slices.Equal(pl.FaultDomains, o.FaultDomains) && pl.CapacityReservationID == o.CapacityReservationID && pl.Preemptible == o.Preemptible
}

// beginCycling starts a cycle when its work request starts. A drift that no mode mends fails it before anything is touched.
func (s *Sim) beginCycling(p *pool, how Cycling, w *workRequest) {
	if len(how.Modes) == 0 {
		how.Modes = []string{ModeInstanceReplace}
	}
	c := &cycling{Cycling: how, w: w}
	p.cycling = c
	w.open++
	for _, n := range p.nodes {
		drift := p.drift(n)
		if len(drift) > 0 && !onVolume(drift) && !slices.Contains(how.Modes, ModeInstanceReplace) {
			w.fail("InvalidParameter", "Node "+n.name+" differs in "+strings.Join(drift, ", ")+", which replacing its boot volume cannot change.")
			c.stopping = true
		}
		s.hold(n.inst, true)
	}
	for _, n := range p.stale() {
		c.spots = append(c.spots, spot{n.place, n.fd})
	}
}
