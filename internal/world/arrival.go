package world

import (
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// When a machine was made is the word of the cloud's clock, as far as we can translate
// it, and that clock may have been set between the making and the telling: a machine of
// a minute is a day old then. Who watches knows better here, too. It was not listed at
// the look before, so it is no older than that; and one that was met just now has not
// been waited for yet, whatever its age. Nor is it younger than its Node, which was
// written by another clock: a machine that a process finds at its first look, dated by a
// clock that was ahead then, would be one that the run just begun has made.

// lag is how far a list may be behind what was made: what is told is not doubted for it.
const lag = time.Minute

// arrival is what was seen of a machine's coming.
type arrival struct {
	pool  cloudprovider.PoolID
	met   time.Time // the first look that had it
	after time.Time // the last whole look at its pool that did not; zero for none
}

// made is when the machine was made: as is told, within what was seen, and before its
// Node. One whose Node was there before a list that left it out has been away from the
// list only.
func (a arrival) made(n *Node) time.Time {
	told := n.Instance.Created
	if told.IsZero() {
		return told
	}
	for _, latest := range []time.Time{a.met, n.Registered()} {
		if !latest.IsZero() && told.After(latest) {
			told = latest
		}
	}
	if told.Add(lag).Before(a.after) && (n.Object == nil || !n.Registered().Before(a.after)) {
		return a.after
	}
	return told
}

// meet takes in which machines a look has, and tells them when they came. A list that is
// not from now neither begins nor ends anything.
func (w *witness) meet(s *Snapshot) {
	kept, listed := make(map[cloudprovider.InstanceID]arrival, len(w.machines)), make(map[cloudprovider.PoolID]time.Time, len(s.Pools))
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if n.Instance == nil || n.ID().Placeholder() {
				continue
			}
			a, known := w.machines[n.ID()]
			if !known {
				a = arrival{pool: p.Cloud.ID, met: s.Now, after: w.listed[p.Cloud.ID]}
			}
			kept[n.ID()] = a
			n.met, n.made = a.met, a.made(n)
			if at := p.Awaited(n); !at.IsZero() && at.Before(n.met) {
				n.met = at // by a leader before this one
			}
		}
		listed[p.Cloud.ID] = w.listed[p.Cloud.ID]
		if whole(s, p) {
			listed[p.Cloud.ID] = s.CloudObserved
		}
	}
	if s.CloudErr != nil {
		for id, at := range w.listed {
			if _, there := listed[id]; !there {
				listed[id] = at
			}
		}
	}
	for id, a := range w.machines {
		if _, there := kept[id]; !there && !listed[a.pool].IsZero() && listed[a.pool].Equal(w.listed[a.pool]) {
			kept[id] = a // nothing new was heard of its pool
		}
	}
	w.machines, w.listed = kept, listed
}

func whole(s *Snapshot, p *Pool) bool { return s.CloudErr == nil && p.Cloud.Health.Err == nil }

// Watched is how long we have seen the machine: since the first look that had it, or since
// a leader before this one has put on record that it does not join. Who takes a single look has nothing to doubt its age by, and watches for ever.
func (n *Node) Watched(now time.Time) time.Duration {
	if n.met.IsZero() {
		return time.Duration(1<<63 - 1)
	}
	return now.Sub(n.met)
}
