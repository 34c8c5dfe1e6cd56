package scale

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
)

// TestAMachineThatNeverRegisteredIsDeleted: one of two machines becomes a node.
// The other is deleted when its time to join is over, not before, and by name;
// the pool, which is then below its minimum, waits before it tries again.
func TestAMachineThatNeverRegisteredIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		id := p.pool("workers", 1, "AD-1", 1, 3)
		time.Sleep(time.Minute)
		p.join(id)
		ghostPool := p.pool("silent", 1, "AD-1", 0, 3)
		for range 24 * 6 {
			p.look()
			time.Sleep(10 * time.Second)
		}
		if n := deletions(p); len(n) > 0 {
			t.Fatalf("deleted before its time: %v", n)
		}
		for range 6 * 3 {
			p.look()
			time.Sleep(10 * time.Second)
		}
		got := deletions(p)
		if len(got) != 1 || !strings.HasPrefix(got[0], string(ghostPool)) {
			t.Fatalf("deleted %v, want the one machine of pool %s", got, ghostPool)
		}
		said := map[string]string{}
		for range len(p.events.Events) {
			e := <-p.events.Events
			reason := strings.Fields(e)[1]
			said[reason] += e
		}
		for reason, words := range map[string]string{eventTimedOut: "NeverRegistered", eventGhostGone: "never became a node"} {
			if strings.Count(said[reason], words) != 1 {
				t.Errorf("%s was said as %q", reason, said[reason])
			}
		}
	})
}

// TestAMachineHasItsTimeUnderOurEyes: a process that begins does not take the cloud's word
// for the age of what it is to delete; the clock that dated it may have been set since.
func TestAMachineHasItsTimeUnderOurEyes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.pool("silent", 1, "AD-1", 0, 3)
		time.Sleep(26 * time.Hour) // as a clock that was set tells it
		for range 24 * 6 {
			p.look()
			time.Sleep(10 * time.Second)
		}
		if n := deletions(p); len(n) > 0 {
			t.Fatalf("deleted before anybody had watched it: %v", n)
		}
		for range 6 * 3 {
			p.look()
			time.Sleep(10 * time.Second)
		}
		if n := deletions(p); len(n) != 1 {
			t.Fatalf("deleted %v, want the one that never came", n)
		}
	})
}

// A process that takes over goes on to wait where the one before has put on record that a
// machine does not join: else it would never be given up where leaders live shorter.
func TestAMachineIsWaitedForByLeadersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.pool("silent", 1, "AD-1", 0, 3)
		took := time.Duration(0)
		for begun := time.Now(); len(deletions(p)) == 0 && took < 2*time.Hour; took = time.Since(begun) {
			if took%(5*time.Minute) == 0 {
				p.restart()
			}
			s, err := p.Observer.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o := s.Pools[0].Object.DeepCopy()
			o.Status.Unjoined = s.Pools[0].Unjoined(s.Now) // as the mirror keeps it
			if err := p.api.Status().Update(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			p.look()
			time.Sleep(10 * time.Second)
		}
		if took < 25*time.Minute || took > 36*time.Minute {
			t.Errorf("it was deleted after %s", took)
		}
	})
}

// deletions are the machines deleted so far, with their pools.
func deletions(p *plant) []string {
	var out []string
	for _, c := range p.cloud.Calls() {
		if c.Op == "Delete" {
			for _, id := range c.IDs {
				out = append(out, string(c.Pool)+" "+string(id))
			}
		}
	}
	return out
}
