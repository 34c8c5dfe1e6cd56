package sim

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Where one pool's new nodes cost more than the other's and are nothing else, the other
// grows: by least cost it is cheaper for whatever pods wait. What may be said against it
// is the daemon's to know and to weigh, so that this is asked only when nothing can be
// said: the cheaper pool has room and nobody has had trouble with it, the cloud has
// answered, and the pods that wait need as many new nodes of either pool.

// thrift is what speaks against the cheaper pool.
type thrift struct {
	known  bool      // the first pool is the dearer one, the second the cheaper
	odd    time.Time // when something last did
	failed time.Time // when the cloud last did not answer
}

// A look's news may be that old where no watch hangs: what is decided on it is older.
const (
	settled  = 2 * time.Minute
	answered = time.Minute
	waits    = 2 * time.Minute // for a machine to join; the ordinary one needs one
)

// deploy has somebody add pods, two more than there is room for: most histories have room
// enough, and whoever has a dearer pool would not be asked which is to grow.
func (w *World) deploy() {
	rooms, _ := w.rooms()
	web, n := w.apps[0], 2
	for _, r := range rooms {
		n += int(min(r.cpu/web.cpu, r.mem>>20/web.memory))
	}
	web.replicas += n
	web.usual = web.replicas
}

// tickThrift is asked when the world has a turn. What was before the daemon began speaks
// against nobody.
func (w *World) tickThrift(now time.Time) {
	if w.books.thrift.known && now.Sub(w.began) > 50*time.Second && (w.speaksAgainst(w.pools[1], w.neededNodes()) || w.speaksAgainst(w.pools[0], 0)) {
		w.books.thrift.odd = now
	}
}

// neededNodes is how many new nodes the pods that wait need, and one more than any pool
// has room for where that is not beyond doubt: what a node of a shape that nobody has
// had yet keeps for itself is a guess.
func (w *World) neededNodes() int {
	var free []room
	cpu, memory, particular := int64(0), int64(0), false
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName != "" || ended(p) {
			return
		}
		if p.Spec.Affinity != nil || p.Spec.TopologySpreadConstraints != nil || p.Spec.Volumes != nil {
			particular = true
			return
		}
		c, m := requests(p)
		cpu, memory = cpu+c, memory+m
		at := slices.IndexFunc(free, func(r room) bool { return r.cpu >= c && r.mem >= m })
		if at < 0 {
			free, at = append(free, room{cpu: 3600, mem: 12 << 30}), len(free) // DaemonSets and the kubelet have the rest
		}
		free[at].cpu, free[at].mem = free[at].cpu-c, free[at].mem-m
	})
	least := max((cpu+3999)/4000, (memory+16<<30-1)/(16<<30))
	if particular || int64(len(free)) > least {
		return 1 << 20
	}
	return len(free)
}

// speaksAgainst is whether there is any reason for which the pool may not grow by so
// many now, or may not do so as others would.
func (w *World) speaksAgainst(id string, by int) bool {
	p := w.poolObject(id)
	v, err := w.cloud.Pool(id)
	if p == nil || err != nil || p.Spec.Scale == nil || p.Spec.Scale.ZoneLossHeadroom {
		return true
	}
	if s := p.Status.Scale; s != nil && (s.BackoffUntil != nil || s.Fuse != nil || len(s.Zones) > 0 || s.Failures > 0) {
		return true
	}
	size := v.Size
	if run := p.Status.Cycle; run != nil {
		size = int(run.Desired)
	}
	for _, e := range v.Nodes { // who has waited for one in vain takes another pool
		if k := w.kubelets[e.ID]; k != nil && w.nodeOf(k) == nil && time.Since(k.inst.Created) > waits {
			return true
		}
	}
	_, walled := w.walls[id]
	_, paused := p.Annotations[v1alpha1.AnnotationPause]
	return walled || paused || stuck(p) || unlaunched(v) > 0 || v.Size < size || size < int(p.Spec.Scale.MinSize) || by > 0 && size+by > most(p.Spec.Scale, w.price(id))
}

// thrifty checks, when scaling is about to give a pool more nodes, that it is not the
// dearer one with nothing to be said against the cheaper one.
func (w *World) thrifty(o *op, p *v1alpha1.Pool, from, to int) {
	if !w.books.thrift.known || o == nil || o.loop() != "scale" || to <= from || w.mix.parts.hostile > 0 || w.strayed > 0 || w.withheld(o.p) {
		return
	}
	w.tickThrift(time.Now())
	if time.Since(w.books.thrift.odd) < settled || time.Since(w.books.thrift.failed) < answered || !time.Now().After(w.silent.Add(answered)) {
		return
	}
	w.promise(keepCheap, p.Spec.NodePoolID != w.pools[0], "pool %s is asked to grow from %d to %d, and pool %s costs less and has room", p.Name, from, to, w.pools[1])
}

// withheld is whether a watch of the process keeps something back.
func (w *World) withheld(p *process) bool {
	for _, f := range p.feeds {
		if !f.hangs.IsZero() && (strings.Contains(f.key, "pods") || strings.Contains(f.key, "nodes") || strings.Contains(f.key, "pools")) {
			return true
		}
	}
	return false
}
