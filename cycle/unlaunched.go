package cycle

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// An entry of the pool whose launch failed holds a place and is no machine. In a run
// the ladder takes it back and asks again later; scaling does likewise. Where there is
// neither, nobody would: a lost machine whose successor came in a minute without
// capacity would be missing for ever, and so it is where a new machine is made for
// one that never became a node. Taking an entry back lowers the pool's size, which
// somebody has to remember over a crash. A run does, and so one is begun, for
// no node at all: it ends when the pool has its size again.

// unlaunchedRequest is the request of such a run. It counts as one for single
// nodes: it moves none but what it has launched.
const unlaunchedRequest = "node/unlaunched"

// unlaunched is the request to fill the places of failed entries, "" if there are
// none or nobody has asked tidemill to repair the pool.
func (d *decision) unlaunched() string {
	repair := d.pool.RepairSpec()
	braked := meta.IsStatusConditionTrue(d.pool.Object.Status.Conditions, v1alpha1.ConditionBraked)
	if repair == nil || repair.Mode != v1alpha1.RepairOn || d.pool.ScaleSpec() != nil || braked || d.pool.Cloud.Health.Updating ||
		d.failedEntries() == 0 || d.stopped(unlaunchedRequest) {
		return ""
	}
	return unlaunchedRequest
}
