package cycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// What a machine runs is told by Compute, and that list may fail where OKE's own does
// not: in the first minute of a process nothing is known then, and what is not known does
// not differ. A run that goes by releases would be done before it began.

// tellPatience is how long a run waits to hear what its nodes run: for some lists of
// Compute, that are asked for each minute. Who has no right to them is not told ever.
const tellPatience = 10 * time.Minute

// untold names nodes of which nobody knows what image they run, though the run replaces
// them or not by that; "" if there is none.
func (d *decision) untold(run *v1alpha1.CycleStatus) string {
	_, turnOver := cycleValue(run.Request)
	if d.pool.Cloud.Release.Image == "" || single(run) || turnOver && strategyOf(nil, run) != v1alpha1.StrategyDelegate {
		return ""
	}
	var names []string
	for _, n := range d.pool.Nodes {
		if machine(n) && n.Object != nil && n.Instance.State == cloudprovider.Running && n.Instance.Release.Image == "" && n.Created().Before(began(run)) {
			names = append(names, n.Name())
		}
	}
	const most = 3
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// awaitsWord is whether the run has to wait for that still.
func (d *decision) awaitsWord(run *v1alpha1.CycleStatus) bool {
	since := began(run)
	if d.policy.Since.After(since) {
		since = d.policy.Since
	}
	return d.s.Now.Sub(since) < tellPatience
}
