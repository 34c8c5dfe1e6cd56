package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report tells the end: a table, and the same as JSON. What is broken fails the test.
func (k *soak) report(from uint64) {
	breaches, counts := k.judge.verdict()
	for _, r := range k.replicas {
		bad, err := r.complaints()
		if err != nil {
			k.t.Error(err)
		}
		for _, line := range bad {
			breaches = append(breaches, breach{time.Now(), "no panic", r.name + ": " + line})
		}
	}
	k.mu.Lock()
	samples, outside := slices.Clone(k.samples), k.failed
	k.mu.Unlock()
	lines := slopes(samples)
	k.table(counts, lines, outside)
	for _, s := range lines {
		if s.steep() {
			breaches = append(breaches, breach{time.Now(), "flat", s.Name + " grows"})
		}
	}
	for _, b := range breaches {
		k.t.Errorf("broken: %s %s: %s", b.At.Format("15:04:05.000"), b.Rule, b.Text)
	}
	k.write(from, breaches, counts, lines, outside, samples)
}

func (k *soak) table(counts map[string]int, lines []slope, outside outsideCount) {
	for _, kind := range slices.Sorted(maps.Keys(k.happens)) {
		k.t.Logf("trouble  %-20s %5d", kind, k.happens[kind])
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		k.t.Logf("seen     %-20s %5d", what, counts[what])
	}
	for _, r := range k.replicas {
		k.t.Logf("replica  %s: %d lives, %d ended by themselves", r.name, r.lives, r.exits)
	}
	k.t.Logf("outside  %d requests, %d failed, %d of them while the control plane was in trouble", outside.Asked, outside.Failed, outside.Excused)
	for _, s := range lines {
		k.t.Logf("slope    %-14s %+8.2f ± %.2f %s (limit %g), from %.1f to %.1f, %d lives, longest %.0f min", s.Name, s.PerHour, s.Error, s.Unit, s.Limit, s.Least, s.Most, s.Lives, s.Longest)
	}
}

// write puts the report where it was asked for, or beside the logs.
func (k *soak) write(from uint64, breaches []breach, counts map[string]int, lines []slope, outside outsideCount, samples []sample) {
	for i := range lines { // JSON has no infinity
		lines[i].Error, lines[i].Least, lines[i].Most = min(lines[i].Error, 1e9), min(lines[i].Least, 1e9), max(lines[i].Most, -1e9)
	}
	path := *soakReport
	if path == "" {
		path = filepath.Join(k.env.Dir(), "soak.json")
	}
	text, err := json.MarshalIndent(map[string]any{
		"seed": from, "minutes": time.Since(k.began).Minutes(), "troubles": k.happens, "seen": counts, "outside": outside,
		"slopes": lines, "breaches": breaches, "samples": samples,
	}, "", "  ")
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		k.t.Errorf("write report: %v", err)
		return
	}
	k.t.Logf("report: %s", strings.TrimSpace(path))
}
