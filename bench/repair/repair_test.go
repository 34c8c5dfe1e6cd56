package repair

import (
	"testing"
)

// TestGoal is what repair is for: with a common cause nothing is destroyed, and
// among the policies of which that is true nobody repairs faster.
func TestGoal(t *testing.T) {
	careful := map[string]bool{}
	var all [][]Result
	for _, s := range Scenarios() {
		results := Run(s)
		all = append(all, results)
		for _, r := range results {
			if _, known := careful[r.Policy]; !known {
				careful[r.Policy] = true
			}
			if s.Common && r.Destroyed > 0 {
				careful[r.Policy] = false
			}
			t.Logf("%-17s %-10s destroyed %3d rebooted %3d faults %d left %d in %s", s.Name, r.Policy, r.Destroyed, r.Rebooted, r.Faults, r.Left, r.ToRepair)
		}
		own := results[0]
		if own.Destroyed > 0 || own.Left > 0 {
			t.Errorf("%s: tidemill destroyed %d and left %d of %d", s.Name, own.Destroyed, own.Left, own.Faults)
		}
	}
	for i, results := range all {
		for _, r := range results[1:] {
			if careful[r.Policy] && r.ToRepair < results[0].ToRepair {
				t.Errorf("%s: %s destroys nothing either and needs %s, tidemill %s", Scenarios()[i].Name, r.Policy, r.ToRepair, results[0].ToRepair)
			}
		}
	}
}

// The simulator can fail a policy: one that obeys at once destroys a zone.
func TestTheSimulatorTellsPoliciesApart(t *testing.T) {
	for _, s := range Scenarios() {
		if s.Name != "zone-lost" {
			continue
		}
		r := play(s, &peer{title: "obedient", wait: tick, steps: []action{replace}})
		if r.Destroyed < 10 {
			t.Errorf("an obedient policy destroyed %d nodes of a lost zone, want all 10", r.Destroyed)
		}
	}
}

// A fault is paid for from its first minute to a whole node in its place.
func TestTimeToRepair(t *testing.T) {
	s := Scenario{pools: workers, last: 60 * tick, script: at(10, func(f *fleet) {
		f.hurt(f.nodes[0], fault{silent: true, cure: replace})
	})}
	r := play(s, &peer{title: "p", wait: 10 * tick, steps: []action{replace}})
	// Ten minutes silent from the minute it is seen, drain, deletion, launch.
	if want := 11*tick + drainTime + deleteTime + launchTime; r.Faults != 1 || r.Left != 0 || r.ToRepair != want {
		t.Errorf("got %+v, want one fault in %s", r, want)
	}
}
