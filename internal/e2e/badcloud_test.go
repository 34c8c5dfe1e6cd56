package e2e

import (
	"strings"
	"testing"
	"time"
)

// badCloud runs the daemon against an OKE that it cannot use: it stays up, says so
// in the Pool's condition with a hint, changes nothing, and goes on by itself once
// what was wrong has been mended.
func badCloud(t *testing.T, env *Env, setting, say string) {
	s, good := stage(env), env.Daemon
	if err := good.Stop(); err != nil {
		t.Fatal(err)
	}
	bad := NewDaemon(good.binary, env.Dir(), append(good.env[:len(good.env):len(good.env)], setting), good.args...)
	if err := bad.Start(); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 5*time.Minute)
	if err := s.Wait(ctx, "the cloud's refusal to be shown", 2*time.Minute, s.notReady("workers", "CloudUnavailable")); err != nil {
		t.Error(err)
	}
	p, err := s.Pool(ctx, "workers")
	if err != nil {
		t.Fatal(err)
	}
	if c := condition(p, "Ready"); !strings.Contains(c.Message, say) || !strings.Contains(c.Message, "hint: ") {
		t.Errorf("condition %q: want %q and a hint in it", c.Message, say)
	} else {
		t.Log(c.Message)
	}
	if p.Status.Size != 1 || s.Size("workers") != 1 {
		t.Errorf("size is %d in status and %d in the cloud, want the 1 of the last good look", p.Status.Size, s.Size("workers"))
	}
	if err := bad.Err(); err != nil {
		t.Errorf("the daemon has ended: %v", err)
	}
	if err := bad.Stop(); err != nil {
		t.Error(err)
	}
	if err := good.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "the pool to be read again", 2*time.Minute, s.ready("workers")); err != nil {
		t.Error(err)
	}
}
