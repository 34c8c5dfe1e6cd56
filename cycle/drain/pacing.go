package drain

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
)

// How long a pod that may not leave is left in peace: an answer changes when
// other pods become ready, which takes seconds at least.
const (
	firstWait = 5 * time.Second
	lastWait  = 30 * time.Second
)

// The daemon's evictions altogether: 60,000 pods in 20 minutes, which the API
// server's default flow control lets pass.
const (
	evictionsPerSecond = 50
	evictionBurst      = 100
)

// turn is when a pod may be asked again.
type turn struct {
	next  time.Time
	wait  time.Duration
	block *Block // why it is still there; nil after a granted eviction
	seen  string // the version of the budget that refused

	tried     time.Time // when its deletion was asked for last, see force
	undeleted string    // what came of that, to be added to why it is there
}

func (d *Drainer) turnOf(s *session, pod *corev1.Pod) turn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.turns[pod.UID]
}

func (d *Drainer) setTurn(s *session, pod *corev1.Pod, t turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.turns[pod.UID] = t
}

// due is whether the pod may be asked now: its wait is over, or the budget that
// refused it has changed since and allows a disruption.
func (t turn) due(pdbs []*policyv1.PodDisruptionBudget, now time.Time) bool {
	if !now.Before(t.next) {
		return true
	}
	if t.block == nil || t.seen == "" {
		return false
	}
	b := named(t.block.PDB, pdbs)
	return b != nil && b.ResourceVersion != t.seen && b.Status.DisruptionsAllowed > 0
}

// after is the turn that follows an answer: the wait doubles from 5 to 30
// seconds, and is never shorter than the server asked for.
func (t turn) after(a Answer, pdbs []*policyv1.PodDisruptionBudget, now time.Time) turn {
	wait := min(max(2*t.wait, firstWait), lastWait)
	if a.Reason == Evicted || a.Reason == Gone {
		// The list that still shows it is older than the answer.
		return turn{next: now.Add(firstWait)}
	}
	next := turn{next: now.Add(max(wait, a.RetryAfter)), wait: wait, block: &a.Block, tried: t.tried, undeleted: t.undeleted}
	if b := named(a.PDB, pdbs); b != nil {
		next.seen = b.ResourceVersion
	}
	return next
}

// keep drops the turns of pods that are gone from a node, so that memory is
// bounded by the pods that are being drained now.
func (d *Drainer) keep(node types.UID, c Classes) map[types.UID]turn {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, kept := d.turns[node], map[types.UID]turn{}
	for _, list := range [][]*corev1.Pod{c.Evictable, c.Daemons} {
		for _, p := range list {
			if t, ok := old[p.UID]; ok {
				kept[p.UID] = t
			}
		}
	}
	d.turns[node] = kept
	return kept
}

// detach is a volume that is on its way off the machine and still has time for
// it, in words; "" for none. A kubelet that is not there takes none off: to wait for the
// control plane's patience would only keep the machine, which has them, from being ended
// or restarted.
func (d *Drainer) detach(t Target, now time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, kept := d.detaching[t.Node.UID], map[types.UID]time.Time{}
	first := ""
	for uid, volume := range t.detaching() {
		since, known := old[uid]
		if !known {
			since = now
		}
		kept[uid] = since
		if now.Sub(since) < DetachTimeout && (first == "" || volume < first) {
			first = volume
		}
	}
	d.detaching[t.Node.UID] = kept
	if first == "" || !ready(t.Node) {
		return ""
	}
	return "volume " + first + " is being detached"
}

// Retain forgets every node but these.
func (d *Drainer) Retain(nodes map[types.UID]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for uid := range d.turns {
		if !nodes[uid] {
			delete(d.turns, uid)
		}
	}
	for uid := range d.detaching {
		if !nodes[uid] {
			delete(d.detaching, uid)
		}
	}
}

// bucket is a token bucket that never waits.
type bucket struct {
	tokens float64
	at     time.Time
}

// take uses one token if there is one.
func (d *Drainer) take(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &d.rate
	if b.at.IsZero() {
		b.tokens, b.at = evictionBurst, now
	}
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*evictionsPerSecond, evictionBurst)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
