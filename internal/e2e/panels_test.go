package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/manifests/monitoring"
)

// orZero is what panels add so that they say 0 instead of nothing; it would hide
// here that nothing is there.
const orZero = " or vector(0)"

// needsFault are the panels that have nothing but that zero after a story in which
// all goes well in the end, and what it takes to fill them.
var needsFault = map[string]string{
	"tidemill-fleet/Rights that are missing":            "a role that was not applied; rightsMatch proves that none is",
	"tidemill-scale/Pods that nothing helps, by reason": "a pod that fits no pool; each pod of the story is helped",
	"tidemill-scale/Limits that held":                   "a limit of cores, memory or spend; the story sets none",
	"tidemill-cycle/Rung of the capacity ladder":        "a run that gets no surge node; the story's runs do",
}

// byChance are panels of things that go wrong now and then, and are done again: a
// write that meets another's.
var byChance = []string{"tidemill-scale/Actions that failed", "tidemill-doctor/Looks and writes that failed"}

// dashboardsMatch asks Prometheus, after a story, for everything that people would
// look at: each panel shows something, each rule is evaluated, and nobody was woken.
func dashboardsMatch(t *testing.T, p *prometheus) {
	if p == nil {
		t.Skip("no prometheus in PATH: dashboards and rules are judged on a record only, by manifests/alerttest")
	}
	ctx := within(t, 5*time.Minute)
	if err := p.process.Err(); err != nil {
		t.Fatal(err)
	}
	t.Run("target", func(t *testing.T) { targetIsUp(ctx, t, p) })
	t.Run("rules", func(t *testing.T) { rulesWork(ctx, t, p) })
	t.Run("nobody is woken", func(t *testing.T) { nobodyIsWoken(ctx, t, p) })
	t.Run("choice of pools", func(t *testing.T) { poolsToChoose(ctx, t, p) })
	for _, d := range monitoring.Dashboards() {
		for _, r := range d.Rows {
			for _, one := range r.Panels {
				t.Run(d.UID+"/"+one.Title, func(t *testing.T) { panelShows(ctx, t, p, d.UID+"/"+one.Title, one) })
			}
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(needsFault)), byChance...) {
		if !panelNames()[name] {
			t.Errorf("%q is excused, and is no panel", name)
		}
	}
}

func panelNames() map[string]bool {
	all := map[string]bool{}
	for _, d := range monitoring.Dashboards() {
		for _, r := range d.Rows {
			for _, one := range r.Panels {
				all[d.UID+"/"+one.Title] = true
			}
		}
	}
	return all
}

// targetIsUp: the daemon was found by its Service and let itself be read.
func targetIsUp(ctx context.Context, t *testing.T, p *prometheus) {
	var data struct {
		ActiveTargets []struct {
			Labels                       map[string]string
			ScrapeURL, Health, LastError string
		}
	}
	if err := p.ask(ctx, "targets", url.Values{"state": {"active"}}, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.ActiveTargets) != 1 {
		t.Fatalf("%d targets, want the daemon: %+v", len(data.ActiveTargets), data.ActiveTargets)
	}
	one := data.ActiveTargets[0]
	if one.Health != "up" || !strings.HasPrefix(one.ScrapeURL, "https://") || one.Labels["job"] != "tidemill" || one.Labels["namespace"] != namespace {
		t.Errorf("the target is %+v", one)
	}
}

// rulesWork: all alerts are loaded, and none fails when it is evaluated.
func rulesWork(ctx context.Context, t *testing.T, p *prometheus) {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := p.ask(ctx, "rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	loaded := map[string]bool{}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			loaded[r.Name] = true
			if r.Health != "ok" {
				t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	for _, a := range monitoring.Alerts() {
		if !loaded[a.Name] {
			t.Errorf("%s is not loaded", a.Name)
		}
	}
}

// nobodyIsWoken: a story that ends well has no alert that fires.
func nobodyIsWoken(ctx context.Context, t *testing.T, p *prometheus) {
	fired, err := p.lines(ctx, `max by (alertname) (ALERTS{alertstate="firing"})`)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range fired {
		t.Errorf("%s fired", l.Metric["alertname"])
	}
	// Some must have been on their way, or the rules see nothing.
	if pending, err := p.lines(ctx, `ALERTS{alertstate="pending"}`); err != nil || len(pending) == 0 {
		t.Errorf("no alert was ever pending, %v: a pool without capacity and a broken node should make some so", err)
	}
}

// poolsToChoose: the variable at the top of the pages has the pools.
func poolsToChoose(ctx context.Context, t *testing.T, p *prometheus) {
	var pools []string
	if err := p.ask(ctx, "label/pool/values", url.Values{"match[]": {"tidemill_pool_nodes"}}, &pools); err != nil || len(pools) < 3 {
		t.Errorf("pools %v, %v", pools, err)
	}
}

// panelShows: each query of a panel has something, of its own or at least the zero.
func panelShows(ctx context.Context, t *testing.T, p *prometheus, name string, panel monitoring.Panel) {
	fill := strings.NewReplacer("$pool", ".*", "$__rate_interval", "30s")
	own := 0
	var said []string
	for _, q := range panel.Queries {
		expr := fill.Replace(q.Expr)
		all, err := p.lines(ctx, expr)
		if err != nil || len(all) == 0 {
			t.Errorf("nothing for %s: %v", expr, err)
		}
		real, err := p.lines(ctx, strings.TrimSuffix(expr, orZero))
		if err != nil {
			t.Error(err)
		}
		own += len(real)
		for _, l := range real {
			said = append(said, fmt.Sprint(l.Metric))
		}
	}
	switch why, excused := needsFault[name]; {
	case slices.Contains(byChance, name):
	case own == 0 && !excused:
		t.Error("no series of its own after a whole story")
	case own > 0 && excused:
		t.Errorf("it is excused (%s), and shows %v: take it off the list", why, said)
	}
}
