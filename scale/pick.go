package scale

import (
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/scale/choose"
)

// pick is the option that the policy's expanders choose, nil when there is none.
func (d *decision) pick(options []*option) *option {
	list := make([]choose.Option, len(options))
	for i, o := range options {
		list[i] = d.optionOf(o)
	}
	if at := d.chain.Pick(list); at >= 0 {
		return options[at]
	}
	return nil
}

// optionOf is the option in the words of package choose. The simulation need
// not have its nodes any more.
func (d *decision) optionOf(o *option) choose.Option {
	out := choose.Option{
		Pool: o.pool.Name, Aliases: []string{o.pool.Cloud.Name, string(o.pool.Cloud.ID)}, Priority: o.pool.spec.Priority,
		Size: o.pool.size, Nodes: len(o.nodes), Pods: len(o.pods), Waste: o.waste,
	}
	priced := true
	for _, n := range o.nodes {
		out.Zones = append(out.Zones, n.zone)
		if t := o.pool.template(n.zone); t != nil {
			cores, gib, gpus := weights(t.Status.Allocatable)
			out.CPU, out.Memory, out.GPUs = out.CPU+cores, out.Memory+gib, out.GPUs+gpus
		}
		price := o.pool.price(n.zone)
		priced = priced && price > 0
		out.Price += price
	}
	if !priced {
		out.Price = 0
	}
	for _, w := range o.pods {
		cores, gib, gpus := weights(w.want)
		out.AskedCPU, out.AskedMemory, out.AskedGPUs = out.AskedCPU+cores, out.AskedMemory+gib, out.AskedGPUs+gpus
	}
	return out
}

// weights are cores, GiB and accelerators of a list.
func weights(list corev1.ResourceList) (cores, gib, gpus float64) {
	for name, q := range list {
		if gpu(name) {
			gpus += q.AsApproximateFloat64()
		}
	}
	return list.Cpu().AsApproximateFloat64(), list.Memory().AsApproximateFloat64() / (1 << 30), gpus
}

// seed is the same for a look however often it is decided, and another for the
// next one.
func (d *decision) seed() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(d.s.Now.UTC().Format("2006-01-02T15:04:05.999999999")))
	return h.Sum64()
}

// balance is how many nodes of the option its pool should get when the pools
// that are like it share them.
func (d *decision) balance(o *option) int {
	if !d.p.Balance {
		return len(o.nodes)
	}
	peers := d.peers(o.pool)
	sizes, rooms := make([]int, len(peers)), make([]int, len(peers))
	for i, p := range peers {
		sizes[i], rooms[i] = p.size, p.room()
	}
	return max(1, choose.Balance(sizes, rooms, len(o.nodes))[0])
}

// peers are the pools that can grow and whose nodes are like the pool's, itself
// first.
func (d *decision) peers(p *pool) []*pool {
	out := []*pool{p}
	t := p.template("")
	if t == nil {
		return out
	}
	for _, q := range d.lookalikes()[lookOf(p)] {
		if q != p && q.room() > 0 && choose.Similar(t, q.template(""), d.p.IgnoreLabels) {
			out = append(out, q)
		}
	}
	return out
}

// look is what pools with like nodes have in common that is cheap to compare: of
// 200 pools few share it, and only those are held against each other.
type look struct {
	priority    int32
	price       float64
	preemptible bool
	milliCPU    int64
}

func lookOf(p *pool) look {
	return look{p.spec.Priority, p.price(""), p.Cloud.Preemptible, p.template("").Status.Capacity.Cpu().MilliValue()}
}

// lookalikes are the pools that scale, by their look.
func (d *decision) lookalikes() map[look][]*pool {
	if d.looks == nil {
		d.looks = map[look][]*pool{}
		for _, p := range d.pools {
			if p.spec != nil && p.template("") != nil {
				d.looks[lookOf(p)] = append(d.looks[lookOf(p)], p)
			}
		}
	}
	return d.looks
}
