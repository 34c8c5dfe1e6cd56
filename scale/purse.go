package scale

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/scale/limit"
)

// purse is what growth may still take of the limits, those of each pool and
// those of the cluster. It counts a pool by its size, whatever has joined yet:
// a machine on its way is spent already.
type purse struct {
	d      *decision
	others limit.Amount // nodes of no pool
	each   map[*pool]limit.Amount
	sum    *limit.Amount // of all, nil when it must be taken anew: with many pools it is asked for often
}

func newPurse(d *decision) *purse {
	u := &purse{d: d, each: map[*pool]limit.Amount{}}
	for _, n := range d.s.Unmanaged {
		if n.Object != nil {
			u.others = u.others.Add(amountOf(n.Object, 0), 1)
		}
	}
	for _, p := range d.pools {
		u.each[p] = amountOfPool(p)
		p.purse = u
	}
	return u
}

// amountOfPool is what one node of the pool is. Without a price it is unpriced;
// where placements differ, the largest counts.
func amountOfPool(p *pool) limit.Amount {
	var most limit.Amount
	for i := range p.Cloud.Placements {
		pl := &p.Cloud.Placements[i]
		a := amountOf(&pl.Template, pl.Price)
		a.Unpriced = pl.Price <= 0
		if i == 0 || a.Cores > most.Cores || a.Cores == most.Cores && a.Memory > most.Memory {
			most = a
		}
	}
	if len(p.Cloud.Placements) == 0 {
		most = limit.Amount{Nodes: 1, Unpriced: true}
	}
	return most
}

func amountOf(n *corev1.Node, price float64) limit.Amount {
	list := n.Status.Capacity
	if len(list) == 0 {
		list = n.Status.Allocatable
	}
	a := limit.Amount{
		Nodes: 1, Spend: price,
		Cores: list.Cpu().AsApproximateFloat64(), Memory: list.Memory().AsApproximateFloat64(),
	}
	for name, q := range list {
		if gpu(name) && !q.IsZero() {
			if a.GPUs == nil {
				a.GPUs = map[string]float64{}
			}
			a.GPUs[string(name)] = q.AsApproximateFloat64()
		}
	}
	return a
}

// total is all nodes there are, are coming, or are planned.
func (u *purse) total() limit.Amount {
	if u.sum == nil {
		sum := u.others
		for _, p := range u.d.pools {
			sum = sum.Add(u.each[p], float64(p.size))
		}
		u.sum = &sum
	}
	return *u.sum
}

// spent makes the sum be taken anew: a pool's size has changed.
func (u *purse) spent() { u.sum = nil }

// room is how many of want nodes the limits leave the pool, and why not more.
func (u *purse) room(p *pool, want int) (int, Reason, string) {
	each := u.each[p]
	n, why, message := want, Reason(""), ""
	if l, ok := poolLimits(p); ok {
		if m, b := l.Room(limit.Amount{}.Add(each, float64(p.size)), each, n); m < n {
			n, why, message = m, poolReasons[b.Thing], b.String()
		}
	}
	if m, b := u.d.p.Limits.Room(u.total(), each, n); m < n {
		n, why, message = m, totalReasons[b.Thing], b.String()
	}
	if left := u.d.p.MaxGrowth - u.grown(); n > left {
		n, why, message = max(0, left), NextLook, "this look has added as many nodes as one may"
	}
	return n, why, message
}

func (u *purse) grown() int {
	sum := 0
	for _, p := range u.d.pools {
		sum += p.size - p.base
	}
	return sum
}

var poolReasons = map[limit.Thing]Reason{
	limit.Cores: PoolAtMaxCores, limit.Memory: PoolAtMaxMemory, limit.GPUs: PoolAtMaxGPUs, limit.Spend: PoolAtMaxSpend,
}

var totalReasons = map[limit.Thing]Reason{
	limit.Nodes: ClusterAtMaxNodes, limit.Cores: ClusterAtMaxCores, limit.Memory: ClusterAtMaxMemory, limit.GPUs: ClusterAtMaxGPUs, limit.Spend: ClusterAtMaxSpend,
}

func poolLimits(p *pool) (limit.Limits, bool) {
	if p.spec == nil || p.spec.Limits == nil {
		return limit.Limits{}, false
	}
	l := p.spec.Limits
	var out limit.Limits
	if l.Cores != nil {
		out.Cores = limit.AtMost(float64(*l.Cores))
	}
	if l.GPUs != nil {
		out.AllGPUs = limit.AtMost(float64(*l.GPUs))
	}
	if l.Memory != nil {
		out.Memory = limit.AtMost(l.Memory.AsApproximateFloat64())
	}
	if l.SpendPerHour != nil {
		out.Spend = limit.AtMost(l.SpendPerHour.AsApproximateFloat64())
	}
	return out, true
}

// price is what a node of the pool costs in the zone, or anywhere if the pool
// has no such zone; 0 when it is not known.
func (p *pool) price(zone cloudprovider.Zone) float64 {
	for i := range p.Cloud.Placements {
		if p.Cloud.Placements[i].Zone == zone {
			return p.Cloud.Placements[i].Price
		}
	}
	if len(p.Cloud.Placements) == 0 {
		return 0
	}
	return p.Cloud.Placements[0].Price
}
