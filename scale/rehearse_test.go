package scale

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/world"
)

// TestPastsAreFewAndTheLast: looks are told by the times of pods and machines, and
// those that would cost the most are left out, the earliest first.
func TestPastsAreFewAndTheLast(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(turn int) time.Time { return now.Add(time.Duration(turn) * 20 * time.Second) }
	for _, c := range []struct{ turns, pods, first, want int }{
		{1, 10, 0, 1}, {4, 10, 0, 4}, {7, 10, 3, 4},
		{4, 2_000, 0, 4},   // 2, 4, 6 and 8 thousand
		{4, 3_000, 3, 1},   // 9 and 12 would be one too many
		{3, 5_000, 2, 1},   // 10 and 15 too
		{1, 20_000, 0, 1},  // all there may be
		{1, 20_001, 1, 0},  // what is more is not rehearsed
		{2, 100_000, 2, 0}, // and takes no time
	} {
		d := &decision{s: &world.Snapshot{}}
		for turn := range c.turns {
			for range c.pods {
				pod := &corev1.Pod{}
				pod.CreationTimestamp.Time = at(turn)
				d.s.Pending = append(d.s.Pending, pod)
			}
			d.made = append(d.made, at(turn).Add(2*time.Second))
		}
		var want []time.Time
		for turn := c.first; turn < c.turns; turn++ {
			want = append(want, at(turn))
		}
		if got := d.pasts(); len(got) != c.want || !cmp.Equal(append([]time.Time(nil), got...), want) {
			t.Errorf("%d turns of %d pods: %v, want %v", c.turns, c.pods, got, want)
		}
	}
}

// TestASceneryIsTheSameEachTime: a rehearsal in what rehearsals share finds what it
// finds in a world of its own, the first time and after others were played there.
func TestASceneryIsTheSameEachTime(t *testing.T) {
	bought := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := throng(rt)
		for i := range rapid.IntRange(1, 5).Draw(rt, "machines") {
			w.AddNode(w.Cloud.Pools[0].Name, fmt.Sprintf("young-%d", i)).CreationTimestamp.Time = w.Now
			in := w.Cloud.Instances[w.Cloud.Pools[0].ID]
			in[len(in)-1].Created = w.Now
		}
		s := w.Snapshot()
		on, err := newScenery(s, Policy{}, nil)
		if err != nil {
			rt.Fatal(err)
		}
		for range 2 {
			for _, r := range []rehearsal{{capped: true}, {asOf: w.Now.Add(-time.Minute)}, {asOf: w.Now.Add(-time.Minute), capped: true}} {
				var got [2][]berth
				for i, in := range []*scenery{nil, on} {
					d, _, err := growth(s, Policy{}, nil, nil, in, func(d *decision) { d.rehearsal = r })
					if err != nil {
						rt.Fatal(err)
					}
					got[i] = d.purchase()
				}
				if diff := cmp.Diff(got[0], got[1], cmp.AllowUnexported(berth{}, place{})); diff != "" {
					rt.Fatalf("%+v (-alone +in the scenery):\n%s", r, diff)
				}
				bought += len(got[0])
			}
		}
	})
	if bought == 0 {
		t.Error("nothing was ever bought: the test proves nothing")
	}
}
