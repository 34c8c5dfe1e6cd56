package world

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// A machine that never joins has its time under the eyes of leaders that live for five
// minutes each, as it has under those of one; however old the cloud's clock makes it.
func TestLeadersWaitOnWhereTheOneBeforeStopped(t *testing.T) {
	const join = 20 * time.Minute
	for _, off := range []time.Duration{0, -10 * time.Minute, -26 * time.Hour, 10 * time.Minute} {
		object := &v1alpha1.Pool{}
		var had time.Duration
		w := &witness{}
		for at := time.Duration(0); had == 0 && at < 2*time.Hour; at += 15 * time.Second {
			now := tenOClock.Add(at)
			if at%(5*time.Minute) == 0 {
				w = &witness{}
			}
			n := &Node{Instance: &cloudprovider.Instance{ID: "a", State: cloudprovider.Running, Created: tenOClock.Add(off)}}
			p := &Pool{Object: object, Cloud: cloudprovider.NodePool{ID: "pool"}, Nodes: []*Node{n}}
			w.meet(&Snapshot{Now: now, CloudObserved: now, Pools: []*Pool{p}})
			object.Status.Unjoined = p.Unjoined(now)
			if n.Watched(now) >= join && now.Sub(n.Created()) >= join {
				had = at
			}
		}
		if had < join || had > join+max(10*time.Minute+off, 0)+15*time.Second {
			t.Errorf("clock %s off: it had its time after %s", off, had)
		}
	}
}

// Who is in time is not put on record, nor who is a node or on the way out; what is there
// is kept to ten, and no record makes a machine older than it is.
func TestUnjoined(t *testing.T) {
	now := tenOClock
	old := now.Add(-11 * time.Minute)
	machine := func(id string, made time.Time, s cloudprovider.State) *Node {
		return &Node{Instance: &cloudprovider.Instance{ID: cloudprovider.InstanceID(id), State: s, Created: made}}
	}
	joined := machine("joined", old, cloudprovider.Running)
	joined.Object = watched("joined", old, old, "True").Object
	p := &Pool{Object: &v1alpha1.Pool{}, Nodes: []*Node{
		machine("young", now.Add(-9*time.Minute), cloudprovider.Running), machine("gone", old, cloudprovider.Deleting), joined,
		machine("late", old, cloudprovider.Running), machine("slow", old, cloudprovider.Creating),
	}}
	before := now.Add(-48 * time.Hour)
	p.Object.Status.Unjoined = []v1alpha1.UnjoinedMachine{{ID: "slow", Since: metav1.NewTime(before)}, {ID: "joined", Since: metav1.NewTime(before)}}
	got := p.Unjoined(now)
	if len(got) != 2 || got[0].ID != "slow" || !got[0].Since.Time.Equal(before) || got[1].ID != "late" || !got[1].Since.Time.Equal(now) {
		t.Errorf("on record are %v", got)
	}
	if at := p.Awaited(p.Nodes[4]); !at.Equal(old) {
		t.Errorf("a machine of %s is waited for since %s", old, at)
	}
	if at := p.Awaited(joined); !at.IsZero() {
		t.Errorf("a node is waited for since %s", at)
	}
	for i := range 20 {
		p.Nodes = append(p.Nodes, machine(string(rune('a'+i)), old, cloudprovider.Running))
	}
	if got := p.Unjoined(now); len(got) != 10 || got[0].ID != "slow" {
		t.Errorf("on record are %v", got)
	}
}
