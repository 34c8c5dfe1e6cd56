package world

import (
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// Count is a pool's nodes by what a budget has to know.
type Count struct {
	// Instances are all that the cloud still bills or is making or deleting;
	// entries that failed to become one are not among them.
	Instances int
	// Available are nodes that may be counted on.
	Available int
	// Disrupted are nodes with a mark that are not available any more, or whose
	// machine is being deleted.
	Disrupted int
	// Coming are launching, joining and gated nodes.
	Coming int
}

// Counts counts the pool, and each zone of it.
func (p *Pool) Counts() (all Count, zones map[cloudprovider.Zone]Count) {
	zones = map[cloudprovider.Zone]Count{}
	for _, n := range p.Nodes {
		c := n.count()
		all = all.plus(c)
		zones[n.Zone()] = zones[n.Zone()].plus(c)
	}
	return all, zones
}

func (n *Node) count() Count {
	var c Count
	if n.Instance != nil && n.Instance.State != cloudprovider.Failed {
		c.Instances = 1
	}
	switch n.Stage() {
	case StageAvailable:
		c.Available = 1
	case StageLaunching, StageJoining, StageGated:
		c.Coming = 1
	case StageDraining, StageDrained, StageTerminating:
		c.Disrupted = 1
	case StageCordoned:
		if n.Mark != nil {
			c.Disrupted = 1
		}
	}
	return c
}

func (c Count) plus(o Count) Count {
	return Count{c.Instances + o.Instances, c.Available + o.Available, c.Disrupted + o.Disrupted, c.Coming + o.Coming}
}

// Ceiling is the largest size that anybody may ask of the cloud for this pool:
// the user's maximum, or the size without surge where that is already more, and
// the surge that cycling may add to it. It is at least 1.
func (p *Pool) Ceiling() int {
	size := p.Desired()
	if s := p.ScaleSpec(); s != nil {
		size = max(size, int(s.MaxSize))
	}
	surge := intstr.FromInt32(1)
	if c := p.CycleSpec(); c != nil && c.MaxSurge != nil {
		surge = *c.MaxSurge
	}
	if p.doubles() {
		surge = intstr.FromString("100%")
	}
	extra, err := intstr.GetScaledValueFromIntOrPercent(&surge, size, true)
	if err != nil {
		extra = 1 // admission refuses such a value; one too few is safe
	}
	return max(size+extra, 1)
}

// doubles is whether a blue-green run, under way or yet to come, may make as many
// new nodes as there are old ones.
func (p *Pool) doubles() bool {
	if run := p.Run(); run != nil && run.Strategy != "" {
		return run.Strategy == v1alpha1.StrategyBlueGreen
	}
	c := p.CycleSpec()
	return c != nil && c.Strategy == v1alpha1.StrategyBlueGreen
}

// bounds are the ceilings of all pools. Observe hands them to the Fleet with
// each look, so that no verb is held to an older maximum than it decided on.
func (s *Snapshot) bounds() map[cloudprovider.PoolID]cloudprovider.Bounds {
	out := make(map[cloudprovider.PoolID]cloudprovider.Bounds, len(s.Pools))
	for _, p := range s.Pools {
		out[p.Cloud.ID] = cloudprovider.Bounds{Max: p.Ceiling()}
	}
	return out
}
