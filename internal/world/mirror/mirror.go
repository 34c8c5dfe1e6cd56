// Package mirror is discovery: it gives every node pool of the cloud a Pool
// object to be opted in by, and writes on each Pool how it is.
//
//	cloud has a pool, cluster has no Pool   ─► create one, every verb off
//	both are there                          ─► status: size, ready, outdated, activity
//	Pool without a node pool of its own     ─► status: Ready=False, and why
//
// It never deletes. A node pool that vanishes under our hands leaves its Pool
// standing, with the last numbers gone and the reason there, because what a
// user wrote in the spec is the user's.
//
// [Decide] is pure; [Loop] acts on it. What is written is written only when it
// differs from what stands, under the field owner of the mirror, so that the
// records of the verbs in the same status are not touched. The mirror is the
// only writer of the conditions Ready and UpToDate.
package mirror

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Plan is what discovery would write, in order of Pool name.
type Plan struct {
	// Create are Pools for node pools that have none.
	Create []Creation `json:"create,omitempty"`
	// Status are the parts of Pools' status that differ from what stands.
	Status []StatusChange `json:"status,omitempty"`
}

// Creation is a Pool to be made: it names its node pool and opts in to nothing.
type Creation struct {
	Name       string               `json:"name"`
	NodePoolID cloudprovider.PoolID `json:"nodePoolID"`
}

// Object is the Pool as it is created.
func (c Creation) Object() *v1alpha1.Pool {
	return &v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: c.Name},
		Spec:       v1alpha1.PoolSpec{NodePoolID: string(c.NodePoolID)},
	}
}

// StatusChange is a status part to be written.
type StatusChange struct {
	Pool *v1alpha1.Pool `json:"-"`
	Name string         `json:"name"`
	Part Part           `json:"part"`
	// TurnedUnready is whether the Pool's Ready condition becomes False by this
	// change, or its reason does: that deserves an event.
	TurnedUnready bool `json:"turnedUnready,omitempty"`
}

// Decide says what discovery has to write. While the cloud does not answer no
// Pool is created, and the numbers that stand are kept.
func Decide(s *world.Snapshot) Plan {
	var plan Plan
	taken := map[string]bool{}
	for _, p := range s.Pools {
		if p.Object != nil {
			taken[p.Object.Name] = true
		}
	}
	for _, o := range s.Orphans {
		taken[o.Object.Name] = true
	}
	for _, p := range s.Pools {
		switch {
		case p.Object != nil:
			plan.add(p.Object, poolPart(s, p))
		case s.CloudErr == nil:
			name := poolName(p.Cloud, taken)
			taken[name] = true
			plan.Create = append(plan.Create, Creation{Name: name, NodePoolID: p.Cloud.ID})
		}
	}
	for _, o := range s.Orphans {
		plan.add(o.Object, orphanPart(s, o))
	}
	return plan
}

// add appends the change if there is one.
func (p *Plan) add(object *v1alpha1.Pool, part Part) {
	old := partOf(object)
	if part.equal(old) {
		return
	}
	was, is := find(old.Conditions, v1alpha1.ConditionReady), find(part.Conditions, v1alpha1.ConditionReady)
	turned := is.Status == metav1.ConditionFalse && (was == nil || was.Status != is.Status || was.Reason != is.Reason)
	p.Status = append(p.Status, StatusChange{Pool: object, Name: object.Name, Part: part, TurnedUnready: turned})
}

// String tells the plan in a line per write.
func (p Plan) String() string {
	var b strings.Builder
	for _, c := range p.Create {
		fmt.Fprintf(&b, "create Pool %s for node pool %s\n", c.Name, c.NodePoolID)
	}
	for _, c := range p.Status {
		fmt.Fprintf(&b, "write status of Pool %s: %s\n", c.Name, c.Part.Activity)
	}
	return b.String()
}
