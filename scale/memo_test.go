package scale

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/world"
)

// What a Memo knows changes no plan: not of the world that it knows, nor of one in
// which pods have come, gone and ended since, nor after that world was seen.
func TestMemoChangesNoPlan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := throng(rt)
		if rapid.Bool().Draw(rt, "any") {
			w = anyWorld(rt)
		}
		first := w.Snapshot()
		second := laterThan(rt, first)
		m := NewMemo()
		for i, s := range []*world.Snapshot{first, first, second, first, second} {
			want, err := Decide(s, Policy{})
			if err != nil {
				rt.Fatal(err)
			}
			got, err := m.Decide(s, Policy{})
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				rt.Fatalf("look %d, without a memo (-) and with one (+):\n%s", i, diff)
			}
		}
	})
}

// laterThan is the world with other pods on some of its nodes, which have new
// lists, and others that wait.
func laterThan(rt *rapid.T, s *world.Snapshot) *world.Snapshot {
	out := *s
	out.Pools = nil
	for _, p := range s.Pools {
		q := *p
		q.Nodes = nil
		for _, n := range p.Nodes {
			o := *n
			if len(o.Pods) > 0 && rapid.Bool().Draw(rt, "changed") {
				o.Pods = slices.Clone(o.Pods)
				ended := o.Pods[0].DeepCopy()
				ended.Status.Phase = corev1.PodSucceeded
				o.Pods[0] = ended
				o.Pods = o.Pods[:rapid.IntRange(1, len(o.Pods)).Draw(rt, "left")]
			}
			q.Nodes = append(q.Nodes, &o)
		}
		out.Pools = append(out.Pools, &q)
	}
	if n := len(s.Pending); n > 0 {
		out.Pending = s.Pending[rapid.IntRange(0, n-1).Draw(rt, "from"):]
	}
	return &out
}

// A Snapshot is shared by all verbs, and its objects are the informer's.
func TestDecideChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := throng(rt).Snapshot()
		before := text(rt, s)
		if _, err := NewMemo().Decide(s, Policy{Balance: true}); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(before, text(rt, s)); diff != "" {
			rt.Fatalf("the snapshot before (-) and after (+):\n%s", diff)
		}
	})
}

func text(rt *rapid.T, s *world.Snapshot) string {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		rt.Fatal(err)
	}
	return string(b)
}
