package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// lasting is a trouble that is under way.
type lasting struct {
	trouble
	say  string
	end  time.Time
	undo func(context.Context) error
}

// mute is whether it leaves everybody without an answer, the script too.
func (l lasting) mute() bool { return l.kind == "API outage" || l.kind == "etcd stuck" }

// play draws troubles for so long. One goroutine begins and ends them all, so that
// the script is the seed's as far as the world's own time allows.
func (k *soak) play(ctx context.Context, long time.Duration) {
	k.began = time.Now()
	quiet := map[string]time.Time{} // group → until when it rests
	var under []lasting
	minute := k.began.Add(time.Minute)
	for ctx.Err() == nil && time.Since(k.began) < long {
		under = k.endDue(ctx, under, time.Now())
		k.strike(ctx, quiet, &under)
		if time.Now().After(minute) {
			k.tellMinute(ctx, under)
			minute = minute.Add(time.Minute)
		}
		pause := 500*time.Millisecond + time.Duration(k.dice.Int64N(int64(5*time.Second)))
		k.sleep(ctx, pause, &under)
	}
	for len(under) > 0 && ctx.Err() == nil {
		under = k.endDue(ctx, under, time.Now().Add(time.Hour))
	}
}

// sleep lets the script's time pass, and ends what is due meanwhile.
func (k *soak) sleep(ctx context.Context, long time.Duration, under *[]lasting) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			*under = k.endDue(ctx, *under, time.Now())
		}
	}
}

// strike draws one trouble whose group has nothing under way. While nobody gets an
// answer none begins: the script would wait for its own, and end nothing meanwhile.
func (k *soak) strike(ctx context.Context, quiet map[string]time.Time, under *[]lasting) {
	if slices.ContainsFunc(*under, lasting.mute) {
		return
	}
	tr := k.draw()
	length := tr.least
	if tr.most > tr.least {
		length += time.Duration(k.dice.Int64N(int64(tr.most - tr.least)))
	}
	busy := slices.ContainsFunc(*under, func(l lasting) bool { return l.alone != "" && l.alone == tr.alone })
	if k.spared() {
		if tr.alone == "daemon" || tr.deadly && tr.most == 0 { // how long that lasts nobody can say
			return
		}
		if tr.deadly {
			length = min(length, 6*time.Second)
		}
	}
	if busy || (tr.alone != "" && time.Now().Before(quiet[tr.alone])) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	say, undo, err := tr.begin(ctx, k)
	if err != nil {
		k.judge.say("%s: not done: %v", tr.kind, err)
	}
	if say == nothing && undo == nil {
		return
	}
	k.happens[tr.kind]++
	k.judge.say("%s: %s, for %s", tr.kind, say, length.Round(100*time.Millisecond))
	if tr.alone != "" {
		quiet[tr.alone] = time.Now().Add(length + tr.rest)
	}
	if undo != nil {
		*under = append(*under, lasting{tr, say, time.Now().Add(length), undo})
	}
}

// spared is whether the daemon's processes are to live: nothing can be said of what
// grows in an hour by processes of three minutes.
func (k *soak) spared() bool { return time.Since(k.began) >= *soakDeaths }

func (k *soak) draw() trouble {
	sum := 0
	for _, tr := range troubles {
		sum += tr.weight
	}
	n := k.dice.IntN(sum)
	for _, tr := range troubles {
		if n -= tr.weight; n < 0 {
			return tr
		}
	}
	return troubles[0]
}

// endDue ends the troubles whose time has come; one that cannot be ended, because
// the API server is away, is tried again. What keeps it away is ended first.
func (k *soak) endDue(ctx context.Context, under []lasting, at time.Time) []lasting {
	rank := func(l lasting) int {
		if l.mute() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(under, func(a, b lasting) int { return rank(a) - rank(b) })
	if len(under) > 0 && under[0].mute() && at.Before(under[0].end) {
		return under // their ends would be waited for, and it would last longer
	}
	var left []lasting
	for _, l := range under {
		if at.Before(l.end) {
			left = append(left, l)
			continue
		}
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := l.undo(within)
		cancel()
		k.judge.say("%s: %s: over, %v", l.kind, l.say, err)
		if err != nil {
			l.end = time.Now().Add(time.Second)
			left = append(left, l)
		}
	}
	return left
}

// follow connects what is stored with the judge and the client outside.
func (k *soak) follow() *store {
	k.outside.clear()
	s := &store{}
	s.node = func(n *corev1.Node) { k.judge.seeNode(n, time.Now()) }
	s.pod = func(p *corev1.Pod) {
		k.judge.seePod(p, time.Now())
		k.outside.pod(p, k.served.Name)
	}
	s.slice = func(e *discoveryv1.EndpointSlice) { k.outside.slice(e, k.served.Name) }
	s.pool = func(p *v1alpha1.Pool) { k.judge.seePool(p, time.Now()) }
	s.gone = func(kind, space, name string) {
		switch kind {
		case keptNodes:
			k.judge.loseNode(name, time.Now())
		case keptPods:
			k.judge.losePod(types.NamespacedName{Namespace: space, Name: name}, time.Now())
			k.outside.end(name)
		case keptSlices:
			k.outside.mu.Lock()
			delete(k.outside.slices, name)
			k.outside.mu.Unlock()
		case keptPools:
			k.judge.losePool(name, time.Now())
		}
	}
	return s
}

// serve deploys what the client outside asks. Its pods take their time to stop, as
// one that drains its connections does: the Service's own controllers need some too.
func (k *soak) serve(ctx context.Context) error {
	d := k.served.deployment()
	grace := int64(30)
	d.Spec.Template.Spec.TerminationGracePeriodSeconds = &grace
	d.Spec.Template.Annotations["playground.tidemill.dev/stops-in-seconds"] = "8"
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: k.served.Name},
		Spec: corev1.ServiceSpec{Selector: k.served.labels(), Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(8080)}}}}
	for _, o := range []client.Object{d, k.served.budget(), service} {
		if err := k.env.Client.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetName(), err)
		}
	}
	return nil
}

// tellMinute is a line of how things stand.
func (k *soak) tellMinute(ctx context.Context, under []lasting) {
	breaches, counts := k.judge.verdict()
	var pools, now, heaps []string
	for _, p := range k.env.Sim.Pools() {
		pools = append(pools, fmt.Sprintf("%s %d", p.Name, p.Size))
	}
	for _, l := range under {
		now = append(now, l.kind)
	}
	k.mu.Lock()
	for _, r := range k.replicas {
		for i := len(k.samples) - 1; i >= 0; i-- {
			if s := k.samples[i]; s.Replica == r.name {
				heaps = append(heaps, fmt.Sprintf("%s life %d %.1f MiB %d goroutines", s.Replica, s.Life, s.Heap/(1<<20), int(s.Goroutines)))
				break
			}
		}
	}
	outside := k.failed
	k.mu.Unlock()
	total := 0
	for _, n := range k.happens {
		total += n
	}
	k.t.Logf("%3.0f min: %s; %d troubles (%s); %d machines made, %d ended, %d evictions, %d runs; %d asked, %d failed, %d excused; %s; %d breaches",
		time.Since(k.began).Minutes(), strings.Join(pools, ", "), total, strings.Join(now, ", "), counts["machines made"], counts["machines ended"], counts["evictions"],
		counts["runs begun"], outside.Asked, outside.Failed, outside.Excused, strings.Join(heaps, ", "), len(breaches))
}

// rest heals everything, takes the elastic load away, and waits until all is in
// order and nothing moves any more.
func (k *soak) rest(ctx context.Context) error {
	begin := time.Now()
	k.heal()
	for _, w := range k.elastic {
		err := k.until(ctx, "the load to be taken away", time.Minute, func(ctx context.Context) (bool, string, error) {
			err := k.scaleLoad(ctx, w.Name, 0)
			return err == nil, "", err
		})
		if err != nil {
			return err
		}
	}
	last := ""
	err := k.until(ctx, "everything to come to rest", 12*time.Minute, func(ctx context.Context) (bool, string, error) {
		wrong, err := k.unrest(ctx)
		if still := time.Since(k.judge.calm()); err == nil && len(wrong) == 0 && still < 40*time.Second {
			wrong = append(wrong, fmt.Sprintf("something was done %.0f s ago", still.Seconds()))
		}
		now := strings.Join(wrong, "; ")
		if now != last && !strings.Contains(now, "something was done") {
			k.judge.say("rest: %s", now)
			last = now
		}
		return len(wrong) == 0, now, err
	})
	if err == nil {
		k.t.Logf("at rest after %.0f s, 40 of them without a move", time.Since(begin).Seconds())
	}
	return err
}

// heal ends every fault that may still be there.
func (k *soak) heal() {
	k.env.Sim.ClearFaults("")
	for _, p := range k.env.Sim.Pools() {
		k.env.Sim.BreakLaunches(p.ID, 0, 0)
		k.env.Sim.BreakTerminations(p.ID, 0)
		k.env.Cluster.RefuseJoins(p.ID, false)
	}
	k.env.Cluster.Outage(false)
	for _, r := range k.replicas {
		if err := r.start(); err != nil {
			k.judge.accuse("the soak itself", "%v", err)
		}
	}
	k.judge.say("everything is healed")
}

// unrest is what is not in order yet.
func (k *soak) unrest(ctx context.Context) ([]string, error) {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, w := range append(k.guarded, k.served) {
		n, err := k.env.Running(ctx, w)
		if err != nil {
			return nil, err
		}
		if n != int(w.Replicas) {
			say("%d of %d pods of %s run", n, w.Replicas, w.Name)
		}
	}
	for _, cloud := range k.env.Sim.Pools() {
		nodes, _, err := k.env.NodesOf(ctx, cloud.Name)
		if err != nil {
			return nil, err
		}
		if ready := readyNodes(nodes); ready != cloud.Size || len(nodes) != cloud.Size || len(cloud.Nodes) != cloud.Size {
			say("%s has size %d, %d entries, %d nodes, %d available", cloud.Name, cloud.Size, len(cloud.Nodes), len(nodes), ready)
		}
		for i := range nodes {
			for _, m := range marks(&nodes[i]) {
				say("%s", m)
			}
		}
		p, err := k.env.Pool(ctx, cloud.Name)
		if err != nil {
			return nil, err
		}
		if p.Status.Cycle != nil {
			say("%s: %s", cloud.Name, p.Status.Activity)
		}
		if c := condition(p, "Ready"); c.Status != metav1.ConditionTrue {
			say("pool %s is not Ready: %s: %s", cloud.Name, c.Reason, c.Message)
		}
		if cloud.Size < int(k.policies[cloud.Name].Scale.MinSize) {
			say("%s has size %d, less than its minimum", cloud.Name, cloud.Size)
		}
	}
	return wrong, nil
}
