package cycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// A node that lies dead holds its pods' names and volumes: a StatefulSet's pod is
// not made again before the old one is gone, and a volume is not attached
// elsewhere before the control plane's patience is over. The taint out-of-service
// ends both at once, and would corrupt data if the machine still ran. So it is put
// only where two witnesses agree for a while: the cloud says that the machine is
// stopped or does not exist, and the kubelet has gone silent.

// silentFor is how long the kubelet must have been silent.
const silentFor = time.Minute

// outOfService looks after the pool's dead nodes. A taint is taken back whatever
// the user wants of the pool by then.
func (d *decision) outOfService() {
	wanted := d.pool.CycleSpec() != nil || d.pool.RepairSpec() != nil || d.pool.ScaleSpec() != nil
	for _, n := range d.pool.Nodes {
		if n.Object == nil {
			continue
		}
		switch tainted := kube.OutOfService(n.Object); {
		case tainted && !dead(n):
			s := nodeStep(InService, n)
			s.Message = fmt.Sprintf("the cloud says %s", stateOf(n))
			d.do(s)
		case wanted && !tainted && dead(n) && d.silent(n):
			s := nodeStep(OutOfService, n)
			s.Message = fmt.Sprintf("the cloud says %s, and its kubelet is silent", stateOf(n))
			d.do(s)
		}
	}
}

// dead is whether the cloud says that the machine does not run.
func dead(n *world.Node) bool {
	return !n.Ready() && (n.Instance == nil || n.Instance.State == cloudprovider.Stopped)
}

func (d *decision) silent(n *world.Node) bool {
	c := n.Condition(corev1.NodeReady)
	return c != nil && c.Status != corev1.ConditionTrue && d.s.Now.Sub(n.ReadySince()) >= silentFor
}

func stateOf(n *world.Node) string {
	if n.Instance == nil {
		return "that its machine does not exist"
	}
	return "that its machine is " + n.Instance.State.String()
}
