package sim

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// All nodes of this world are alike: a limit of what they may be in sum is one of their
// number, as far as whoever counts knows what a node has. What a node costs is Oracle's
// list price of two OCPUs and 16 GB.
const (
	nodeCores  = 4
	nodeMemory = 16<<30 - 834<<20 // as it reports it
	nodePrice  = 74               // thousandths of a US dollar an hour
	dearPrice  = 92               // the same of the newer shape
)

// limited is a wish for a limit that leaves room for one node more than there are in the
// beginning, three less than the pool's maximum.
func limited(wish func(l *v1alpha1.ScaleLimits, nodes int64)) func(*v1alpha1.PoolSpec) {
	return scaling(func(s *v1alpha1.ScaleSpec) {
		if s.Limits == nil {
			s.Limits = &v1alpha1.ScaleLimits{}
		}
		wish(s.Limits, int64(s.MaxSize)-3)
	})
}

// most is how many nodes scaling may give a pool, of those that cost so much.
func most(s *v1alpha1.ScaleSpec, price int64) int {
	n := int64(s.MaxSize)
	if l := s.Limits; l != nil && l.Cores != nil {
		n = min(n, *l.Cores/nodeCores)
	}
	if l := s.Limits; l != nil && l.Memory != nil {
		n = min(n, l.Memory.Value()/nodeMemory)
	}
	if l := s.Limits; l != nil && l.SpendPerHour != nil {
		n = min(n, l.SpendPerHour.MilliValue()/price)
	}
	return int(n)
}

// price is what a new node of the pool costs.
func (w *World) price(id string) int64 {
	if w.books.thrift.known && id == w.pools[0] {
		return dearPrice
	}
	return nodePrice
}

// dearer is a wish of which the cloud has a part: what is new in the first of the pools
// has a shape that costs more, and the same OCPUs and memory.
const dearer = "one pool is dearer"

// makeDear has somebody in the console give a pool the newer shape. Its nodes stay what
// they are until they are replaced.
func (w *World) makeDear(id string) {
	shape := "VM.Standard.E5.Flex"
	if slices.Index(w.pools, id) == 0 {
		_, err := w.cloud.UpdatePool(id, okesim.PoolUpdate{Shape: &shape}, "")
		w.books.thrift.known = err == nil
		w.errandIn(65*time.Second, "deploys more pods than there is room for", w.deploy)
	}
}
