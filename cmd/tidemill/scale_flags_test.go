package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestScaleFlags(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", ""},
		{"--expander priority,least-waste --cores-total 0:320 --memory-total 8:6400 --gpu-total nvidia.com/gpu:0:16 --max-nodes-total 50 --spend-per-hour 12.5", ""},
		{"--expander cheapest", `there is no "cheapest"`},
		{"--cores-total 320", "--cores-total"},
		{"--memory-total 9:1", "the minimum is above the maximum"},
		{"--gpu-total 0:16", "--gpu-total"},
		{"--max-nodes-total=-1", "must not be negative"},
		{"--max-nodes-per-scaleup 0", "lets nothing grow"},
		{"--scale-down-utilization-threshold 50", "not a share"},
		{"--new-pod-scale-up-delay=-1s", "delay is negative"},
		{"--scale-down-young 0s", "not positive"},
		{"--scale-down-unneeded-time 0s", "not positive"},
		{"--max-node-group-backoff-duration 1m", "shorter than the first"},
	} {
		var f scaleFlags
		s := pflag.NewFlagSet("test", pflag.ContinueOnError)
		f.register(s)
		if err := s.Parse(strings.Fields(tt.args)); err != nil {
			t.Fatal(err)
		}
		err := f.check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
	var f scaleFlags
	s := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.register(s)
	if err := s.Parse([]string{"--memory-total", "1:2", "--scale-down-utilization-threshold", "0.29", "--scale-down-unneeded-time", "3m"}); err != nil {
		t.Fatal(err)
	}
	p := f.policy()
	if *p.Limits.Memory.Max != 2<<30 || *p.Limits.Memory.Min != 1<<30 || p.UtilizationPercent != 29 || p.UnneededFor != 3*time.Minute {
		t.Errorf("policy %+v", p)
	}
}
