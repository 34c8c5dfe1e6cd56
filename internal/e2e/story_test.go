package e2e

import (
	"strings"
	"testing"
)

// TestStory is `make demo` without the terminal, and with Prometheus beside it.
func TestStory(t *testing.T) {
	env := open(t, Options{Audit: true, MetricsAddress: freeAddress(t), MetricsSecure: true})
	prometheus := withPrometheus(t, env)
	figures, err := Tell(t.Context(), env, Story, Listener{
		End: func(o Outcome) {
			t.Logf("(%s) %s: %.1f s: %s", o.Step.ID, o.Step.Title, o.Took.Seconds(), strings.Join(o.Checked, "; "))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range figures.Lines() {
		t.Logf("%s: %s %s", l.Name, l.Value, l.Unit)
	}
	rightsMatch(t, env)
	t.Run("in Prometheus", func(t *testing.T) { dashboardsMatch(t, prometheus) })
}

func TestPick(t *testing.T) {
	steps, err := Pick([]string{"d", "a"})
	if err != nil || len(steps) != 2 || steps[0].ID != "a" || steps[1].ID != "d" {
		t.Errorf("steps %v, %v: want a and d in the story's order", steps, err)
	}
	if all, err := Pick(nil); err != nil || len(all) != len(Story) {
		t.Errorf("%d steps, %v: want the whole story", len(all), err)
	}
	if _, err := Pick([]string{"z"}); err == nil || !strings.Contains(err.Error(), "a, b, c") {
		t.Errorf("error %v does not name the steps there are", err)
	}
}
