package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// joinings are looks that are made while machines are on their way: who sees them
// coming and not what they were asked for has more to find out than that there are
// none, see scale's berths.
//
//	coming count      machines on their way, asked for by looks before this one
//	asleep ms         a look that asks for these machines, none being on its way
//	decide ms         a look while they are on their way, median of five
//	times ratio       decide over asleep; a look is to stay below 3
//	allocated MB      by that look
//	more count        nodes that it asks for beyond those; 0 is right
func joinings() []workload {
	join := func(nodes, waves int) func(context.Context, *bench, string) error {
		return func(_ context.Context, b *bench, name string) error {
			return b.joining(name, crowded(nodes), 5_000, waves)
		}
	}
	return []workload{
		{"up/joining-1k", "1,000 full nodes, 5,000 pods of 400 shapes, the machines for these on their way", join(1_000, 1)},
		{"up/joining-2k", "the same beside 2,000 full nodes", join(2_000, 1)},
		{"up/joining-1k-turns", "1,000 full nodes, pods and machines for them came in eight turns", join(1_000, 8)},
		{"up/joining-2k-turns", "the same beside 2,000 full nodes", join(2_000, 8)},
	}
}

// crowded is a cluster without room, and pools that may grow.
func crowded(nodes int) *worldtest.World {
	w := atRest(nodes, 40)
	for _, size := range []struct{ cpu, memory string }{{"4", "16Gi"}, {"8", "64Gi"}, {"16", "64Gi"}, {"32", "256Gi"}} {
		addPool(w, "cpu"+size.cpu, size.cpu, size.memory, 5_000)
	}
	return w
}

// joining has the pods come in so many turns. After each a look is made, and the
// machines that it asks for are on their way from then on.
func (b *bench) joining(name string, w *worldtest.World, pods, waves int) error {
	late := mixed(pods, 400).Objects.Pods
	begin := w.Now
	for i := range late {
		late[i].CreationTimestamp.Time = begin.Add(time.Duration(i*waves/pods) * 20 * time.Second)
	}
	w.Objects.Pods = append(w.Objects.Pods, late...)
	asleep, _, _, err := measure(w.Snapshot())
	if err != nil {
		return err
	}
	coming := 0
	for wave := range waves {
		w.Now = begin.Add(time.Duration(wave) * 20 * time.Second)
		plan, err := engine.Decide(until(w), noFuse)
		if err != nil {
			return err
		}
		coming += launch(w, plan, coming)
	}
	w.Now = w.Now.Add(10 * time.Second)
	took, allocated, plan, err := measure(w.Snapshot())
	if err != nil {
		return err
	}
	more, _ := bill(w.Snapshot(), plan)
	b.figure(name, "coming", fmt.Sprint(coming), "count")
	b.figure(name, "asleep", fmt.Sprintf("%.1f", inMilliseconds(asleep)), "ms")
	b.figure(name, "decide", fmt.Sprintf("%.1f", inMilliseconds(took)), "ms")
	b.figure(name, "times", fmt.Sprintf("%.2f", float64(took)/float64(asleep)), "ratio")
	b.figure(name, "allocated", fmt.Sprintf("%.1f", allocated), "MB")
	b.figure(name, "more", fmt.Sprint(more), "count")
	return nil
}

// until is the world as it is now, without the pods that are to come.
func until(w *worldtest.World) *world.Snapshot {
	now := *w
	now.Objects.Pods = nil
	for _, p := range w.Objects.Pods {
		if !p.CreationTimestamp.After(w.Now) {
			now.Objects.Pods = append(now.Objects.Pods, p)
		}
	}
	return now.Snapshot()
}

// launch has the plan's machines on their way, and says how many.
func launch(w *worldtest.World, plan engine.Plan, serial int) (launched int) {
	for _, g := range plan.Grows {
		for range g.To - g.From {
			w.AddInstance(g.Pool, fmt.Sprintf("%s-new-%04d", g.Pool, serial+launched), cloudprovider.Creating).Created = w.Now.Add(2 * time.Second)
			launched++
		}
	}
	return launched
}
