package sim

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// sizes are how many nodes a cluster has at the start, small ones most often: what a
// history costs grows with them, and what it finds hardly does. 3 to 7 nodes in two
// pools have every state that 20 have, and meet it several times as often in an hour.
var sizes = []int{6, 4, 9, 3, 12, 5, 4, 7, 3, 6, 16, 4, 5, 8, 3, 20}

// build makes the cluster that a run begins with: two pools of an older image,
// their users' wishes, and some load.
func (w *World) build() error {
	w.cluster = w.cloud.AddCluster(okesim.Cluster{Name: "sim"})
	size := w.opt.Nodes
	if size == 0 {
		size = sizes[w.tape.Pick(len(sizes))]
	}
	first := size - size/3
	for i, n := range []int{first, size - first} {
		name := []string{"workers", "batch"}[i]
		spec := okesim.Pool{ClusterID: w.cluster, Name: name, Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Size: n, KubernetesVersion: "v1.34.1",
			ImageID: w.oldImage(), Labels: map[string]string{"name": name}}
		for _, ad := range w.cloud.AvailabilityDomains() {
			spec.Placements = append(spec.Placements, okesim.Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.workers"})
		}
		id, err := w.cloud.AddPool(spec)
		if err != nil {
			return fmt.Errorf("add pool %s: %w", name, err)
		}
		w.pools = append(w.pools, id)
		w.books.orders.wished[id] = n
		w.api.Create(w.remember(w.wishes(name, id, n)))
	}
	w.addApp(&app{name: "web", replicas: size, cpu: 900, memory: 1500, budget: true})
	w.addApp(&app{name: "jobs", replicas: size / 2, cpu: 1500, memory: 2000})
	w.addApp(&app{name: "cache", replicas: 2, cpu: 500, memory: 6000, budget: true})
	w.api.Create(stranger())
	if w.mix.parts.neighbours {
		w.moveIn()
	}
	return nil
}

func (w *World) oldImage() string {
	for _, i := range w.cloud.Images() {
		if i.KubernetesVersion == "v1.34.1" && i.Arch == "amd64" && !i.GPU {
			return i.ID
		}
	}
	return ""
}

// wishes is the Pool that a user has written for a node pool.
func (w *World) wishes(name, id string, size int) *v1alpha1.Pool {
	surge, missing := intstr.FromInt32(int32(1+w.tape.Pick(2))), intstr.FromInt32(int32(w.tape.Pick(2)))
	minutes := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Minute} }
	p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PoolSpec{NodePoolID: id,
		Scale:  &v1alpha1.ScaleSpec{MinSize: int32(max(size-2, 1)), MaxSize: int32(size + 4), Down: &v1alpha1.ScaleDownSpec{UnneededFor: minutes(1)}},
		Cycle:  &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: &surge, MaxUnavailable: &missing, Drain: &v1alpha1.DrainSpec{Timeout: minutes(3)}, JoinTimeout: minutes(3)},
		Repair: &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn, After: minutes(2), Young: minutes(2), Settle: minutes(3), Cooldown: minutes(10)},
	}}
	if !w.mix.parts.scale {
		p.Spec.Scale = nil
	}
	if !w.mix.parts.cycle {
		p.Spec.Cycle = nil
	}
	if !w.mix.parts.repair {
		p.Spec.Repair = nil
	}
	return p
}

// warm lets machines and pods come up before anybody looks.
func (w *World) warm() {
	for range 60 {
		w.pass(time.Second)
	}
}

// deeds are what people and misfortune do while faults last; the first is the
// friendliest.
var deeds = []struct {
	name string
	do   func(*World)
}{
	{"load grows", func(w *World) { w.load(1) }},
	{"load falls", func(w *World) { w.load(-1) }},
	{"cycle", func(w *World) { w.annotate(v1alpha1.AnnotationCycle, fmt.Sprint(w.step)) }},
	{"upgrade", func(w *World) {
		w.annotate(v1alpha1.AnnotationUpgradeTo, []string{"v1.34.1", "v1.34.2"}[w.tape.Pick(2)])
	}},
	{"pause", func(w *World) { w.pause(true) }},
	{"unpause", func(w *World) { w.pause(false) }},
	{"pause in the middle", func(w *World) {
		for i, id := range w.pools {
			if p := w.poolObject(id); p != nil && p.Status.Cycle != nil {
				w.pausePool(w.pools[i], true)
				return
			}
		}
	}},
	{"abort", func(w *World) { w.abort(w.anyPool()) }},
	{"cordon", func(w *World) { w.personCordons(true) }},
	{"uncordon", func(w *World) { w.personCordons(false) }},
	{"kubelet dies", func(w *World) {
		if k := w.anyKubelet(); k != nil {
			w.beat(k)
			k.sick = true
		}
	}},
	{"kubelets recover", func(w *World) { w.recover() }},
	{"machine lost", func(w *World) {
		if k := w.anyKubelet(); k != nil && w.tape.Chance(300) {
			w.cloud.KillInstance(k.inst.ID)
		}
	}},
	{"console resize", func(w *World) { w.consoleResize() }},
	{"launches fail", func(w *World) {
		all := okesim.LaunchFaults()
		w.cloud.BreakLaunches(w.anyPool(), 1+w.tape.Pick(3), all[w.tape.Pick(len(all))])
	}},
	{"zone lost", func(w *World) { w.loseZone() }},
	{"pod deleted", func(w *World) {
		if pods := w.podsOf("web"); len(pods) > 0 {
			w.api.Remove(pods[w.tape.Pick(len(pods))])
		}
	}},
	{"node cycle", func(w *World) {
		if k := w.anyKubelet(); k != nil {
			if n := w.nodeOf(k); n != nil {
				w.api.Edit(n, func(o client.Object) { set(o, v1alpha1.AnnotationCycle, fmt.Sprint(w.step)) })
			}
		}
	}},
	{"marks removed by hand", func(w *World) {
		if k := w.anyKubelet(); k != nil {
			if n := w.nodeOf(k); n != nil && n.Annotations[v1alpha1.AnnotationDisruption] != "" && n.Spec.Unschedulable {
				w.cordon(n, false)
			}
		}
	}},
	{"other autoscaler", func(w *World) { w.otherAutoscaler() }},
	{"load surges", func(w *World) { w.apps[w.tape.Pick(len(w.apps))].replicas = 24 }},
	{"load breaks down", func(w *World) {
		for _, a := range w.apps {
			a.replicas = 1
		}
	}},
	{"rollback", func(w *World) { w.annotate(v1alpha1.AnnotationRollback, fmt.Sprint(w.step)) }},
}

func (w *World) person() {
	d := deeds[w.tape.Pick(len(deeds))]
	w.note("person: %s", d.name)
	w.moved = true
	d.do(w)
}

func (w *World) load(sign int) {
	a := w.apps[w.tape.Pick(len(w.apps))]
	a.replicas = max(1, min(a.replicas+sign*(1+w.tape.Pick(4)), 24))
}

func set(o client.Object, key, value string) {
	a := o.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[key] = value
	o.SetAnnotations(a)
}

func (w *World) annotate(key, value string) {
	if p := w.poolObject(w.anyPool()); p != nil {
		w.api.Edit(p, func(o client.Object) { set(o, key, value) })
	}
}

func (w *World) pause(on bool) {
	w.pausePool(w.anyPool(), on)
}

// patient is for how long a pause stays at least, so that there is something to
// keep to.
const patient = 150 * time.Second

func (w *World) pausePool(id string, on bool) {
	p := w.poolObject(id)
	if p == nil || !on && time.Since(w.books.paused[id]) < patient {
		return
	}
	if !on {
		delete(w.books.paused, id)
		w.books.unpaused[id] = time.Now()
		w.api.Edit(p, func(o client.Object) { delete(o.GetAnnotations(), v1alpha1.AnnotationPause) })
		return
	}
	if _, already := w.books.paused[id]; !already {
		w.books.paused[id] = time.Now()
	}
	w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationPause, "true") })
}

func (w *World) anyKubelet() *kubelet {
	var list []*kubelet
	for _, id := range w.order {
		if k := w.kubelets[id]; k.up && !k.removed && !k.joinAt.IsZero() {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.tape.Pick(len(list))]
}

// personCordons is kubectl cordon, of a node that nobody disrupts, or uncordon of
// such a one.
func (w *World) personCordons(on bool) {
	w.api.Each("nodes", func(o client.Object) {
		if n := o.(*corev1.Node); !on && w.books.cordoned[string(n.UID)] {
			w.cordon(n, false)
		}
	})
	k := w.anyKubelet()
	if !on || k == nil {
		return
	}
	if n := w.nodeOf(k); n != nil && !n.Spec.Unschedulable {
		w.cordon(n, true)
	}
}

// cordon is a person's kubectl cordon, or uncordon, of a Node: from then on it is
// theirs, or nobody's. One whose mark says that tidemill has cordoned it was uncordoned
// a moment ago, and that was not seen: cordoned once more it looks as it did.
func (w *World) cordon(n *corev1.Node, on bool) {
	if mark, _ := kube.MarkOf(n); on && mark != nil && mark.Cordoned {
		delete(w.books.cordoned, string(n.UID))
	} else if on {
		w.books.cordoned[string(n.UID)] = true
	} else {
		delete(w.books.cordoned, string(n.UID))
		w.books.orders.freed[string(n.UID)] = time.Now()
	}
	w.api.Edit(n, func(o client.Object) { o.(*corev1.Node).Spec.Unschedulable = on })
}

func (w *World) recover() {
	for _, id := range w.order {
		w.kubelets[id].sick = w.kubelets[id].dead
	}
}

func (w *World) consoleResize() {
	id := w.anyPool()
	w.enlarge(id, 1+w.tape.Pick(2))
}

// enlarge is a person in the console who types a larger size.
func (w *World) enlarge(id string, by int) {
	if v, err := w.cloud.Pool(id); err == nil {
		size := v.Size + by
		w.typed(id, size)
		_, _ = w.cloud.UpdatePool(id, okesim.PoolUpdate{Size: &size}, "")
	}
}

func (w *World) loseZone() {
	ads := w.cloud.AvailabilityDomains()
	w.silenceZone(ads[w.tape.Pick(len(ads))])
}

// silenceZone has all kubelets of an availability domain fall silent.
func (w *World) silenceZone(ad string) {
	for _, id := range w.order {
		if k := w.kubelets[id]; k.inst.AvailabilityDomain == ad {
			w.beat(k)
			k.sick = true
		}
	}
}

// chaos is what happens to processes and connections.
func (w *World) chaos() {
	p := w.procs[w.tape.Pick(len(w.procs))]
	switch w.tape.Pick(9) {
	case 0:
		n := loopNames[w.tape.Pick(len(loopNames))]
		w.note("wake %s %s", p.name, n)
		select {
		case p.wake[n] <- struct{}{}:
		default:
		}
	case 1:
		if len(p.feeds) > 0 {
			f := p.feeds[w.tape.Pick(len(p.feeds))]
			w.note("break %s", f.key)
			f.end()
		}
	case 2:
		w.note("compact")
		w.api.Compact()
	case 3:
		p.frozen = time.Now().Add([]time.Duration{5 * time.Second, 12 * time.Second, 40 * time.Second}[w.tape.Pick(3)])
		w.note("freeze %s until %s", p.name, p.frozen.Sub(w.began))
	case 4:
		if len(p.feeds) > 0 {
			f := p.feeds[w.tape.Pick(len(p.feeds))]
			if !f.dead() && len(f.lines) == 0 {
				w.note("bookmark %s", f.key)
				f.lines <- f.stream.Bookmark()
			}
		}
	case 5: // its elections get no answer, all else does
		p.deaf = time.Now().Add([]time.Duration{20 * time.Second, 45 * time.Second, 90 * time.Second}[w.tape.Pick(3)])
		w.note("deafen %s until %s", p.name, p.deaf.Sub(w.began))
	case 6: // a watch hangs: it is open, and nothing comes
		if len(p.feeds) > 0 {
			f := p.feeds[w.tape.Pick(len(p.feeds))]
			f.hangs = time.Now().Add([]time.Duration{30 * time.Second, 2 * time.Minute, 4 * time.Minute}[w.tape.Pick(3)])
			w.note("hang %s until %s", f.key, f.hangs.Sub(w.began))
		}
	case 7: // SIGTERM, as when the daemon itself is brought up to date
		w.note("terminate %s", p.name)
		p.term()
	case 8:
		w.jump(p)
	}
}

// heal ends everything that is wrong, and what people have in mind with it.
func (w *World) heal() {
	w.calm, w.calmAt, w.healed, w.moved = true, time.Now(), latest(time.Now(), w.silent), true
	w.leave()
	w.recover()
	w.cure()
	w.untaint()
	w.tidy()
	for _, id := range append([]string{""}, w.pools...) {
		w.cloud.BreakLaunches(id, 0, okesim.LaunchFaultUnknown)
		if p := w.poolObject(id); p != nil {
			delete(w.books.paused, id)
			w.api.Edit(p, func(o client.Object) { delete(o.GetAnnotations(), v1alpha1.AnnotationPause) })
		}
	}
	if !w.surging {
		w.calmLoad()
	}
	w.wallsStand()
	w.slow = time.Time{}
	w.cloud.ClearFaults("")
	w.mendClocks()
	w.personCordons(false)
	for _, p := range w.procs {
		p.frozen, p.deaf = time.Time{}, time.Time{}
		for _, f := range p.feeds {
			f.hangs = time.Time{}
		}
		p.inStep(w.calmAt)
	}
	w.note("calm")
	w.hasten()
}

// calmLoad has what has surged fall. It is nothing that is forgiven: a cluster without
// room is calm for hours and says little, and four pods more than usual are still more
// than the pools began with. Where nothing scales they would have no place for good.
func (w *World) calmLoad() {
	for _, a := range w.apps {
		more := 4
		if !w.mix.parts.scale {
			more = 0
		}
		a.replicas = min(a.replicas, a.usual+more)
	}
}
