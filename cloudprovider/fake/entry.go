package fake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/cloudprovider"
)

// pool is a Pool and what is in it.
type pool struct {
	Pool
	entries []*entry
	cycling *cloudprovider.Cycling // what the cloud turns over by itself; nil at rest
}

// entry is a machine that was asked for. What it is now follows from its times.
type entry struct {
	n        int // tells placeholders apart
	id       cloudprovider.InstanceID
	zone     cloudprovider.Zone
	release  cloudprovider.Release
	settings map[string]string
	asked    time.Time
	reboot   time.Time // the last one; zero if there was none
	deleting time.Time // zero while it stays
	failed   bool      // fault says why it never became a machine
	fault    *cloudprovider.Fault
}

func (e *entry) live() bool { return e.id != "" && e.deleting.IsZero() }

// reconcile makes as many entries as the size says, or takes back what costs
// least: failed ones, those without a machine, then the newest.
func (c *Cloud) reconcile(p *pool) {
	if p.Virtual {
		return
	}
	var held []*entry
	for _, e := range p.entries {
		if e.deleting.IsZero() {
			held = append(held, e)
		}
	}
	for range p.Size - len(held) {
		c.add(p)
	}
	if len(held) <= p.Size {
		return
	}
	rank := func(e *entry) int {
		switch {
		case e.failed:
			return 0
		case e.id == "":
			return 1
		}
		return 2
	}
	slices.SortFunc(held, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.n, a.n))
	})
	for _, e := range held[:len(held)-p.Size] {
		c.remove(p, e)
	}
}

func (c *Cloud) add(p *pool) {
	c.counter++
	count := func(z cloudprovider.Zone) int {
		n := 0
		for _, e := range p.entries {
			if e.zone == z && e.deleting.IsZero() {
				n++
			}
		}
		return n
	}
	zone := slices.MinFunc(p.Zones, func(a, b cloudprovider.Zone) int { return cmp.Compare(count(a), count(b)) })
	p.entries = append(p.entries, &entry{n: c.counter, zone: zone, asked: c.now()})
	c.tick()
}

// remove begins a machine's deletion; what has none is gone at once.
func (c *Cloud) remove(p *pool, e *entry) {
	if e.id == "" {
		p.entries = slices.DeleteFunc(p.entries, func(other *entry) bool { return other == e })
		return
	}
	e.deleting = c.now()
	c.tick()
}

// tick does what is due: machines are launched, or fail to be, and deleted ones
// go. It runs at the start of each call.
func (c *Cloud) tick() {
	now := c.now()
	for _, p := range c.pools {
		for _, e := range slices.Clone(p.entries) {
			switch {
			case !e.deleting.IsZero() && !now.Before(e.deleting.Add(c.options.Latency.Delete)):
				if n, limited := c.capacity[e.zone]; limited {
					c.capacity[e.zone] = n + 1
				}
				p.entries = slices.DeleteFunc(p.entries, func(other *entry) bool { return other == e })
			case e.id == "" && !e.failed && !now.Before(e.asked.Add(c.options.Latency.Launch)):
				c.launch(p, e)
			}
		}
		c.turnOver(p)
	}
}

func (c *Cloud) launch(p *pool, e *entry) {
	n, limited := c.capacity[e.zone]
	if limited && n == 0 {
		e.failed = true
		e.fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: "InternalError", Message: "Out of host capacity."}
		return
	}
	if limited {
		c.capacity[e.zone] = n - 1
	}
	e.id = cloudprovider.InstanceID(fmt.Sprintf("instance-%s-%06d", p.ID, e.n))
	e.release, e.settings = p.Release, maps.Clone(p.Settings)
}

// view is the entry as a caller sees it at now.
func (e *entry) view(p *pool, l Latency, now time.Time) cloudprovider.Instance {
	in := cloudprovider.Instance{
		ID: e.id, Pool: p.ID, Name: fmt.Sprintf("%s-%d", p.Name, e.n), Zone: e.zone, FaultDomain: "FAULT-DOMAIN-1",
		Release: e.release, State: cloudprovider.Running, Created: e.asked.Add(l.Launch), Settings: maps.Clone(e.settings),
	}
	if e.fault != nil {
		f := *e.fault
		in.Fault = &f
	}
	switch {
	case e.id == "":
		in.ID, in.Created, in.Release = cloudprovider.Placeholder(p.ID, e.n), time.Time{}, p.Release
		in.State = cloudprovider.Creating
		if e.failed {
			in.State = cloudprovider.Failed
		}
	case !e.deleting.IsZero():
		in.State = cloudprovider.Deleting
	case now.Before(e.asked.Add(l.Launch + l.Boot)):
		in.State = cloudprovider.Creating
	case !e.reboot.IsZero() && now.Before(e.reboot.Add(l.Boot)):
		in.State = cloudprovider.Stopped
	}
	return in
}

func (p *pool) view(now time.Time) cloudprovider.NodePool {
	out := cloudprovider.NodePool{
		ID: p.ID, Name: p.Name, Size: p.Size, Min: p.Min, Max: p.Max, Release: p.Release, Shape: p.Shape,
		Preemptible: p.Preemptible, Virtual: p.Virtual,
		Health: cloudprovider.Health{Observed: now, Updating: p.cycling != nil}, Tags: maps.Clone(p.Tags), Settings: maps.Clone(p.Settings),
	}
	for _, z := range p.Zones {
		t := p.Template.DeepCopy()
		if t.Labels == nil {
			t.Labels = map[string]string{}
		}
		t.Labels[corev1.LabelTopologyZone] = string(z)
		out.Placements = append(out.Placements, cloudprovider.Placement{Zone: z, Template: *t, Price: p.Price})
	}
	return out
}

func defaultTemplate() *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	n := &corev1.Node{Status: corev1.NodeStatus{Capacity: room, Allocatable: room.DeepCopy()}}
	n.Labels = map[string]string{corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux"}
	return n
}
