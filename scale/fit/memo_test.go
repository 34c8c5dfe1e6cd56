package fit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// TestMemoForgetsPodsThatAreGone: ever new kinds of pods come and go on the same
// nodes. The memo holds about twice what one look needs, and whatever it has
// forgotten by then each look counts as one without a memo does.
func TestMemoForgetsPodsThatAreGone(t *testing.T) {
	const nodes, each, stay = 4, 3, 2
	m, most := NewMemo(), 0
	for look := range 400 {
		w := worldtest.New()
		w.AddPool("p", "16", "64Gi")
		for i := range nodes {
			name := fmt.Sprint("n", i)
			w.AddNode("p", name)
			for k := range each { // a kind for some looks, other kinds on each node
				kind := (look/stay+i)*each + k
				w.AddPod(fmt.Sprint("pod-", kind), fmt.Sprintf("%dm", 1+kind), "1Gi", worldtest.On(name))
			}
		}
		s := w.Snapshot()
		used := func(m *Memo) (out []amounts) {
			c, err := Recall(s, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range s.Pools[0].Nodes {
				if err := c.AddNode(n.Object); err != nil {
					t.Fatal(err)
				}
				c.AddPods(n.Pods, n.Object.Name)
				out = append(out, c.nodes[n.Object.Name].used)
			}
			return out
		}
		if diff := cmp.Diff(used(nil), used(m)); diff != "" {
			t.Fatalf("look %d, without a memo (-) and with one (+):\n%s", look, diff)
		}
		most = max(most, len(m.numbers))
	}
	if bound := 2*nodes*each + spareTexts + nodes*each; most > bound || most < nodes*each {
		t.Errorf("up to %d spellings are held, of %d that a look needs; at most %d", most, nodes*each, bound)
	}
}
