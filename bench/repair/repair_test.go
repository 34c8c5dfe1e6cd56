package repair

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/repair.md")

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
	table(t, all)
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

// table keeps the table of docs/repair.md true.
func table(t *testing.T, all [][]Result) {
	t.Helper()
	const path, begin, end = "../../docs/repair.md", "rewrites it -->\n", "<!-- end -->"
	guide, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(guide), begin)
	_, tail, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("%s has no place for the table", path)
	}
	if want := head + begin + rows(all) + end + tail; want != string(guide) {
		if !*update {
			t.Errorf("the table in %s is not what the simulator says; go test ./bench/repair -update rewrites it", path)
			return
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// rows has a line for each scenario and a column for each policy: destroyed,
// rebooted where any were, minutes where there was something to repair.
func rows(all [][]Result) string {
	var b strings.Builder
	b.WriteString("\n| scenario | what happens |")
	for _, r := range all[0] {
		b.WriteString(" " + r.Policy + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(all[0])) + "\n")
	for i, s := range Scenarios() {
		fmt.Fprintf(&b, "| `%s` | %s |", s.Name, s.About)
		for _, r := range all[i] {
			fmt.Fprintf(&b, " %s |", cell(s, r))
		}
		b.WriteString("\n")
	}
	return b.String() + "\n"
}

func cell(s Scenario, r Result) string {
	text := ""
	if s.Common || r.Destroyed > 0 {
		text = fmt.Sprintf("**%d** destroyed", r.Destroyed)
	}
	if r.Rebooted > 0 {
		text += fmt.Sprintf(", %d rebooted", r.Rebooted)
	}
	if r.Faults > 0 {
		text += fmt.Sprintf("%.0f min", r.ToRepair.Minutes())
	}
	return text
}
