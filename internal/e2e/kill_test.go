package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// TestKill kills the daemon at random moments of a turn-over under load, the
// first second and the last included. Each turn-over must end as if nothing had
// happened, with every promise kept on the way.
//
//	go test ./internal/e2e -run TestKill -kills 20
func TestKill(t *testing.T) {
	from := *seed
	switch {
	case from == 0 && *kills <= 2:
		from = 1 // as everybody draws who tests a change
	case from == 0:
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", from)
	dice := rand.New(rand.NewPCG(from, 0))
	env := open(t, Options{Pools: OnePool(3), Policies: map[string]v1alpha1.PoolSpec{"workers": Policy(3, 6, 2)}})
	s := stage(env)
	load := Workload{Name: "steady", Replicas: 18, Requests: ask("400m", "1Gi"), Spare: 4}
	ctx := t.Context()
	if err := s.Deploy(ctx, load); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "the load to run", 2*time.Minute, s.allRun(load)); err != nil {
		t.Fatal(err)
	}
	// How long one takes when nobody dies says which moments there are.
	calm, err := s.Turn(ctx, Turn{Pool: "workers", Key: v1alpha1.AnnotationCycle, Value: "calm", Load: &load})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("undisturbed: %.1f s", calm.took.Seconds())
	for i := range *kills {
		moment := time.Duration(dice.Int64N(int64(calm.took)))
		result, err := s.Turn(ctx, Turn{
			Pool: "workers", Key: v1alpha1.AnnotationCycle, Value: fmt.Sprintf("kill-%d", i+1), Load: &load,
			Meanwhile: func(ctx context.Context, s *Stage, _ Fleet) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(moment):
				}
				return s.killAndRestart()
			},
		})
		if err != nil {
			t.Fatalf("kill %d after %.1f s: %v", i+1, moment.Seconds(), err)
		}
		t.Logf("kill %d after %.1f s: done in %.1f s, available never below %d, machines never above %d",
			i+1, moment.Seconds(), result.took.Seconds(), result.seen.LeastAvailable, result.seen.MostMachines)
	}
}
