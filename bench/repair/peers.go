package repair

import (
	"time"
)

// peer is another system's policy by its published numbers.
type peer struct {
	title string
	// wait is how long Ready must not have been True, alarm how long a monitor's
	// condition must have stood, join how long a machine may take to become Ready;
	// zero means that it is not looked at.
	wait, alarm, join time.Duration
	// steps are tried one after the other, each with settle to help, rounds times;
	// rounds 0 is without end.
	steps  []action
	settle time.Duration
	rounds int
	// parallel is how many nodes of a pool of this size may be in repair; nil is no
	// limit. stop is whether so many broken nodes of so many stop repair.
	parallel func(size, broken int) int
	stop     func(broken, size int) bool
}

// peers are the policies beside tidemill's.
func peers() []policy {
	return []policy{
		// Node repair as Oracle's provider configures it in its example: Ready for
		// 600 s, forceful; other conditions 30 min as on AWS; stops beyond 20 % of a
		// NodePool, rounded up; a claim that does not register is deleted after 15 min.
		&peer{title: "karpenter", wait: 10 * time.Minute, alarm: 30 * time.Minute, join: 15 * time.Minute, steps: []action{replace},
			stop: func(broken, size int) bool { return broken > (size+4)/5 }},
		// machine-controller-manager: health and conditions (ReadonlyFilesystem is in
		// the default list) 10 min, creation 20 min, one replacement at a time for a
		// MachineDeployment; it freezes with the API server.
		&peer{title: "mcm", wait: 10 * time.Minute, alarm: 10 * time.Minute, join: 20 * time.Minute, steps: []action{replace},
			parallel: func(int, int) int { return 1 }},
		// GKE: NotReady or silent for about 10 min, recreated; "several in parallel, by
		// size, fewer when many are broken" without numbers: assumed are a tenth of the
		// pool, at least one, and one when more than a third is broken.
		&peer{title: "gke", wait: 10 * time.Minute, steps: []action{replace},
			parallel: func(size, broken int) int {
				if broken*3 > size {
					return 1
				}
				return max(1, size/10)
			}},
		// EKS managed node groups: Ready and kernel or storage conditions 30 min,
		// replaced; stops when more than 5 nodes and more than 20 % are broken.
		&peer{title: "eks", wait: 30 * time.Minute, alarm: 30 * time.Minute, steps: []action{replace},
			stop: func(broken, size int) bool { return broken > 5 && broken*5 > size }},
		// AKS: NotReady or silent 10 min; reboot, reimage, redeploy, at most an hour in
		// all, assumed to be 10 min each to help; no limit is published. A redeployed
		// machine loses its disk and its host.
		&peer{title: "aks", wait: 10 * time.Minute, steps: []action{reboot, volume, replace}, settle: 10 * time.Minute, rounds: 3},
	}
}

func (p *peer) name() string { return p.title }

// look is one reconciliation: an API server that is away stops everybody.
func (p *peer) look(f *fleet) {
	if f.apiDown {
		return
	}
	for _, pool := range f.pools {
		var sick []*node
		broken, size, busy := 0, 0, 0
		for _, n := range f.nodes {
			if n.pool != pool.name {
				continue
			}
			size++
			if n.doing != none {
				busy++
			}
			bad, since := p.bad(f, n)
			if bad {
				broken++
			}
			if bad && since && n.doing == none {
				sick = append(sick, n)
			}
		}
		if p.stop != nil && p.stop(broken, size) {
			continue
		}
		for _, n := range sick {
			if p.parallel != nil && busy >= p.parallel(size, broken) {
				break
			}
			if a := p.next(f, n); a != none {
				f.do(n, a)
				busy++
			}
		}
	}
}

// bad is whether a node looks broken, and whether for long enough.
func (p *peer) bad(f *fleet, n *node) (bad, due bool) {
	switch {
	case n.ready == "":
		return p.join > 0 && f.now.Sub(n.born) >= p.join, p.join > 0 && f.now.Sub(n.born) >= p.join
	case n.ready != "True":
		return true, f.now.Sub(n.readySince) >= p.wait
	case n.alarm == "True" && p.alarm > 0:
		return true, f.now.Sub(n.alarmSince) >= p.alarm
	}
	return false, false
}

// next is the action that is due on a node.
func (p *peer) next(f *fleet, n *node) action {
	if n.attempts > 0 && f.now.Sub(n.lastDone) < p.settle {
		return none
	}
	if p.rounds > 0 && n.attempts >= p.rounds*len(p.steps) {
		return none
	}
	return p.steps[n.attempts%len(p.steps)]
}
