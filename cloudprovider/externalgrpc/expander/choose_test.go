package expander

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
)

func chain(t testing.TB, text string) []Strategy {
	t.Helper()
	c, err := ParseChain(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func idsOf(options []Option) (ids []string) {
	for _, o := range options {
		ids = append(ids, string(o.ID))
	}
	return ids
}

func TestChoose(t *testing.T) {
	rules, err := ParsePriorities("10: [cheap, plain]\n50: ['^gold']\n")
	if err != nil {
		t.Fatal(err)
	}
	four := Room{Cores: 4, GiB: 16}
	for name, c := range map[string]struct {
		chain   string
		options []Option
		want    []string
		by      string
	}{
		"refused places come last":           {"capacity", []Option{{ID: "a", Refused: 1}, {ID: "b", Refused: 0.5}, {ID: "c", Refused: 0.5}}, []string{"b", "c"}, "capacity"},
		"all refused, all left":              {"capacity", []Option{{ID: "a", Refused: 1}, {ID: "b", Refused: 1}}, []string{"a", "b"}, ""},
		"the highest priority, by name":      {"priority", []Option{{ID: "cheap"}, {ID: "x", Name: "gold-1"}, {ID: "y"}}, []string{"x"}, "priority"},
		"priorities of nobody":               {"priority", []Option{{ID: "x"}, {ID: "y"}}, []string{"x", "y"}, ""},
		"the least money for the same":       {"price", []Option{{ID: "a", Nodes: 1, Price: 1, Need: four}, {ID: "b", Nodes: 4, Price: 0.2, Need: four}}, []string{"b"}, "price"},
		"money for what it buys":             {"price", []Option{{ID: "a", Nodes: 1, Price: 1, Need: Room{Cores: 1}}, {ID: "b", Nodes: 1, Price: 2, Need: Room{Cores: 4}}}, []string{"b"}, "price"},
		"a hair's breadth is no difference":  {"price", []Option{{ID: "a", Nodes: 1, Price: 1, Need: four}, {ID: "b", Nodes: 1, Price: 1.005, Need: four}}, []string{"a", "b"}, ""},
		"unknown prices are not the least":   {"price", []Option{{ID: "a", Nodes: 1, Need: four}, {ID: "b", Nodes: 1, Price: 9, Need: four}}, []string{"b"}, "price"},
		"pods that ask for nothing":          {"price", []Option{{ID: "a", Nodes: 1, Price: 2, Pods: 3}, {ID: "b", Nodes: 1, Price: 1, Pods: 3}}, []string{"b"}, "price"},
		"the least waste":                    {"least-waste", []Option{{ID: "a", Nodes: 1, Room: Room{Cores: 8, GiB: 32}, Need: four}, {ID: "b", Nodes: 1, Room: four, Need: four}}, []string{"b"}, "least-waste"},
		"a node of which nothing is known":   {"least-waste", []Option{{ID: "a", Nodes: 1, Need: four}, {ID: "b", Nodes: 1, Room: Room{Cores: 64, GiB: 512}, Need: four}}, []string{"b"}, "least-waste"},
		"the emptiest domain":                {"balance", []Option{{ID: "a", Crowd: 5}, {ID: "b", Crowd: 2}, {ID: "c", Crowd: -1}}, []string{"b"}, "balance"},
		"the fewest nodes":                   {"least-nodes", []Option{{ID: "a", Nodes: 5}, {ID: "b", Nodes: 2}}, []string{"b"}, "least-nodes"},
		"the most pods":                      {"most-pods", []Option{{ID: "a", Pods: 5}, {ID: "b", Pods: 2}}, []string{"a"}, "most-pods"},
		"the second decides among the first": {"capacity,price", []Option{{ID: "a", Refused: 1, Price: 1, Nodes: 1}, {ID: "b", Price: 3, Nodes: 1}, {ID: "c", Price: 2, Nodes: 1}}, []string{"c"}, "price"},
		"one is left, whatever else":         {"capacity,most-pods", []Option{{ID: "a", Refused: 1, Pods: 9}, {ID: "b"}}, []string{"b"}, "capacity"},
		"amounts without end":                {"least-waste", []Option{{ID: "a", Nodes: 1, Room: four, Need: Room{math.Inf(1), math.Inf(-1), 0}}, {ID: "b", Nodes: 1, Room: four, Need: Room{math.Inf(1), 0, 0}}, {ID: "c", Nodes: 1, Room: four, Need: Room{math.Inf(1), 1, 0}}}, []string{"b", "c"}, "least-waste"},
		"nothing to choose from":             {Usual, nil, nil, ""},
	} {
		got, by := Choose(chain(t, c.chain), c.options, &Knowledge{Priorities: rules})
		if diff := cmp.Diff(c.want, idsOf(got)); diff != "" || by != c.by {
			t.Errorf("%s: by %q, want %q (-want +got):\n%s", name, by, c.by, diff)
		}
	}
}

// Whatever is offered: something is left, it was offered, and the order in which
// it came makes no difference.
func TestChooseGivesSomeOfWhatItGot(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		strategies := Strategies()
		picked := rapid.Permutation(strategies).Draw(r, "chain")[:rapid.IntRange(1, len(strategies)).Draw(r, "length")]
		var options []Option
		for i := range rapid.IntRange(1, 8).Draw(r, "options") {
			options = append(options, Option{ID: cloudprovider.PoolID(fmt.Sprint(i)), Nodes: rapid.IntRange(1, 5).Draw(r, "nodes"), Pods: rapid.IntRange(0, 3).Draw(r, "pods"),
				Need:  Room{rapid.Float64Range(0, 4).Draw(r, "cores"), rapid.Float64Range(0, 4).Draw(r, "gib"), 0},
				Room:  Room{rapid.Float64Range(0, 8).Draw(r, "cores"), rapid.Float64Range(0, 8).Draw(r, "gib"), 0},
				Price: rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(r, "price"), Crowd: rapid.IntRange(-1, 3).Draw(r, "crowd"), Refused: rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(r, "refused")})
		}
		left, by := Choose(picked, options, &Knowledge{})
		if len(left) == 0 || len(left) > len(options) || (by == "") != (len(left) == len(options)) {
			r.Fatalf("%d of %d left by %q", len(left), len(options), by)
		}
		turned := slices.Clone(options)
		slices.Reverse(turned)
		again, _ := Choose(picked, turned, &Knowledge{})
		a, b := idsOf(left), idsOf(again)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			r.Fatalf("in another order %v instead of %v", b, a)
		}
	})
}

func TestParseChain(t *testing.T) {
	if c := chain(t, Usual); len(c) != 5 || c[0].Name != "capacity" {
		t.Errorf("%d strategies, the first is %s", len(c), c[0].Name)
	}
	for text, want := range map[string]string{"": "no strategy", "price,dearest": `"dearest"`, "price,price": "twice"} {
		if _, err := ParseChain(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, s := range Strategies() {
		if s.About == "" {
			t.Errorf("%s does not say what it is about", s.Name)
		}
	}
}

func TestParsePriorities(t *testing.T) {
	p, err := ParsePriorities("10:\n- .*\n50:\n- .*spot.*\n- ^a$\n-5: [z]\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"my-spot-pool": 50, "a": 50, "aa": 10} {
		if got, ok := p.of("ocid1.nodepool.x", name); !ok || got != want {
			t.Errorf("%s: %d %v, want %d", name, got, ok, want)
		}
	}
	if _, ok := (Priorities{}).of("x"); ok {
		t.Error("no rules match")
	}
	for _, bad := range []string{"x: [a]", "10: a", "10: ['(']", "- a", "10: [" + strings.Repeat("a,", mostPatterns+1) + "]", strings.Repeat("#", mostBytes+1)} {
		if _, err := ParsePriorities(bad); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}
