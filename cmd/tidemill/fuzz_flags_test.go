package main

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// Whatever is written on the command line of the daemon, it is refused with a word, or is a
// configuration that can work.
func FuzzRunFlags(f *testing.F) {
	for _, seed := range []string{
		"--interval=1s", "--interval=0", "--interval=-1s", "--interval=1e9h", "--cloud-refresh=-1ns", "--leader-elect-lease-duration=1s",
		"--leader-elect-lease-duration=9223372036s\n--leader-elect-renew-deadline=9223372035s\n--leader-elect-retry-period=1ns", "--leader-elect=false\n--leader-elect-retry-period=99h",
		"--expander=least-cost,random", "--expander=,", "--cores-total=1:2", "--cores-total=9:2", "--memory-total=:", "--gpu-total=nvidia.com/gpu:0:16", "--gpu-total=:::", "--spend-per-hour=NaN",
		"--spend-per-hour=-1", "--spend-per-hour=1e309", "--max-nodes-total=-1", "--scale-down-utilization-threshold=2", "--scale-down-utilization-threshold=NaN", "--balancing-ignore-label=\x1b[2J",
		"--doctor-kubelets=maybe", "--metrics-certs=x", "--expendable-pods-priority-cutoff=99999999999", "--", "-", "---", "--=", "positional",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := pflag.NewFlagSet("run", pflag.ContinueOnError)
		s.SetOutput(io.Discard)
		var flags runFlags
		flags.register(s)
		if err := s.Parse(strings.Split(text, "\n")); err != nil {
			if err.Error() == "" {
				t.Errorf("%q is refused without a word", text)
			}
			return
		}
		if err := flags.check(); err != nil {
			if err.Error() == "" {
				t.Errorf("%q is refused without a word", text)
			}
			return
		}
		if flags.interval < 100*time.Millisecond || flags.refresh < 0 {
			t.Errorf("%q: interval %s, refresh %s", text, flags.interval, flags.refresh)
		}
		if flags.elect && (flags.lease <= flags.renewDeadline || flags.renewDeadline <= flags.retries) {
			t.Errorf("%q: lease %s, renewed for %s, tried each %s", text, flags.lease, flags.renewDeadline, flags.retries)
		}
		p, err := flags.scale.read()
		if err != nil {
			t.Errorf("%q passes the check and cannot be read: %v", text, err)
		}
		for what, d := range map[string]time.Duration{"young": p.YoungNode, "unneeded": p.UnneededFor, "join": p.JoinTimeout, "backoff": p.BackoffFirst, "most backoff": p.BackoffMax} {
			if d < 0 {
				t.Errorf("%q: %s is %s", text, what, d)
			}
		}
		if spend := flags.scale.spend; math.IsNaN(spend) {
			t.Errorf("%q: a limit of %v is no limit, and nobody says so", text, spend)
		}
		if p.MaxGrowth < 0 || p.UtilizationPercent < 0 || p.UtilizationPercent > 100 {
			t.Errorf("%q: grows by %d, threshold %d", text, p.MaxGrowth, p.UtilizationPercent)
		}
	})
}
