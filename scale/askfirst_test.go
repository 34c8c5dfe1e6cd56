package scale

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tidemill/tidemill/cloudprovider"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
)

// A pool whose zone has no room is not grown, and the next look serves the pods
// elsewhere; without the question the growth is tried.
func TestAskFirst(t *testing.T) {
	for _, ask := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlant(t, cloudfake.Latency{})
			p.Loop.Policy.AskCapacity = ask
			a := p.pool("a", 0, "ZONE-1", 0, 5)
			p.cloud.SetCapacity("ZONE-1", 0)
			p.pods("web", 2, "1")
			if _, err := p.Once(t.Context()); errors.Is(err, cloudprovider.ErrNoCapacity) != ask {
				t.Errorf("asked first: %v, error %v", ask, err)
			}
			if grown := len(p.resizes()) > 0; grown == ask {
				t.Errorf("asked first: %v, pool %s resized: %v", ask, a, p.resizes())
			}
			b := p.pool("b", 0, "ZONE-2", 0, 5)
			if ask {
				p.look()
				if r := p.resizes(); len(r) != 1 {
					t.Errorf("resizes %v, want one, of pool %s", r, b)
				}
			}
		})
	}
}
