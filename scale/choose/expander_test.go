package choose

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

func options() []Option {
	return []Option{
		{Pool: "big", Size: 3, Nodes: 1, Pods: 10, CPU: 16, Memory: 64, AskedCPU: 10, AskedMemory: 20, Waste: 0.5, Price: 0.4},
		{Pool: "small", Size: 1, Nodes: 4, Pods: 10, CPU: 12, Memory: 48, AskedCPU: 10, AskedMemory: 20, Waste: 0.3, Price: 0.3},
		{Pool: "spot", Size: 9, Nodes: 3, Pods: 8, CPU: 12, Memory: 48, AskedCPU: 8, AskedMemory: 16, Waste: 0.4, Price: 0.15},
		{Pool: "spot-b", Size: 2, Nodes: 3, Pods: 8, CPU: 12, Memory: 48, AskedCPU: 8, AskedMemory: 16, Waste: 0.4, Price: 0.15},
	}
}

func TestChains(t *testing.T) {
	rules, err := ParsePriorities("10: [.*]\n50: ['^spot', 'small$']\n")
	if err != nil {
		t.Fatal(err)
	}
	raised := options()
	raised[0].Priority = 5
	for _, tt := range []struct {
		chain, want string
		options     []Option
	}{
		{"least-waste", "small", options()},
		{"most-pods", "small", options()},             // a tie of big and small, and small is smaller
		{"most-pods,least-nodes", "big", options()},   // which the second decides
		{"least-nodes", "big", options()},             //
		{"price", "spot-b", options()},                // per what is asked for; the smaller of two alike
		{"priority,least-waste", "small", options()},  // of the three that match
		{"priority,price,random", "", options()},      // either spot: chance decides
		{"least-cost", "spot-b", options()},           //
		{"least-cost", "big", raised},                 // the user's priority comes before money
		{"priority,most-pods,price", "small", raised}, // but not for other expanders
		{"least-nodes", "", nil},                      // nothing to choose from
		{" least-nodes , least-waste", "big", raised}, // a person's spaces
	} {
		c, err := Parse(tt.chain, func() Priorities { return rules }, func() uint64 { return 7 })
		if err != nil {
			t.Fatal(err)
		}
		at := c.Pick(tt.options)
		switch {
		case len(tt.options) == 0:
			if at != -1 {
				t.Errorf("%s picks %d of nothing", tt.chain, at)
			}
		case tt.want == "":
			if at != c.Pick(tt.options) || !strings.HasPrefix(tt.options[at].Pool, "spot") {
				t.Errorf("%s picks %s, and not always", tt.chain, tt.options[at].Pool)
			}
		case tt.options[at].Pool != tt.want:
			t.Errorf("%s picks %s, want %s", tt.chain, tt.options[at].Pool, tt.want)
		}
	}
}

func TestBadChains(t *testing.T) {
	for text, want := range map[string]string{
		"":                   `there is no ""`,
		"cheapest":           `there is no "cheapest"; they are least-cost, priority,`,
		"price,least-waste,": `there is no ""`,
		"price,price":        "price stands there twice",
	} {
		if _, err := Parse(text, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Random is one of the best that is left, every one in its turn as the seed
// changes, and never another.
func TestRandomIsFairAndRepeats(t *testing.T) {
	seen := map[int]int{}
	for seed := range uint64(400) {
		c, _ := Parse("random", nil, func() uint64 { return seed })
		at := c.Pick(options())
		if at != c.Pick(options()) {
			t.Fatal("one look chooses two ways")
		}
		seen[at]++
	}
	for i := range options() {
		if seen[i] < 50 {
			t.Errorf("option %d was taken %d times of 400", i, seen[i])
		}
	}
}

func TestPriorities(t *testing.T) {
	for text, want := range map[string]string{
		"10:\n- a.*\n20:\n- b\n": "",
		"":                       "there are none",
		"ten: [a]":               `"ten" is not a number`,
		"10: a":                  "cannot unmarshal string",
		"10: ['(']":              "missing closing )",
		"10: [a]\n10: [b]":       "already set",
		"10: [a]\n010: [b]":      "",
		"- a":                    "cannot unmarshal array",
		"99999999999: [a]":       "is not a number",
		"1: [" + strings.Repeat("a,", 1001) + "a]": "more than 1000 patterns",
		strings.Repeat("#", 65<<10):                "65536 at most",
	} {
		_, err := ParsePriorities(text)
		if want == "" {
			if err != nil && !strings.Contains(err.Error(), "twice") {
				t.Errorf("%.40q: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	p, _ := ParsePriorities("10: ['.*']\n20: [arm]")
	for name, want := range map[string]int{"workers": 10, "workers-arm-1": 20} {
		if got, _ := p.Of(name); got != want {
			t.Errorf("%s has priority %d, want %d", name, got, want)
		}
	}
	if _, ok := (Priorities{}).Of("x"); ok {
		t.Error("no rules match something")
	}
}

func FuzzPriorities(f *testing.F) {
	f.Add("10:\n- .*\n")
	f.Add("{1: [a], 2: ['(b']}")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePriorities(text); err == nil && p.Empty() {
			t.Error("rules were read and there are none")
		}
	})
}

// A pool without a price is weighed by what it has, at the rate of the others.
func TestUnknownPrice(t *testing.T) {
	known := Option{Pool: "a", CPU: 4, Memory: 16, Price: 0.12} // 6 vCPU equivalents: 0.02 each
	for _, tt := range []struct {
		name  string
		other Option
		want  float64
	}{
		{"as large", Option{CPU: 4, Memory: 16}, 0.12},
		{"twice as large", Option{CPU: 8, Memory: 32}, 0.24},
		{"with an accelerator", Option{CPU: 4, Memory: 16, GPUs: 1}, 0.12 + 0.02*vcpuPerGPU},
	} {
		o := []Option{known, tt.other}
		if got := Costs(o)(&o[1]); got < tt.want-1e-9 || got > tt.want+1e-9 {
			t.Errorf("%s costs %g, want %g", tt.name, got, tt.want)
		}
	}
	none := []Option{{CPU: 4, Memory: 16}, {CPU: 2, Memory: 32}}
	cost := Costs(none)
	if cost(&none[0]) != 6 || cost(&none[1]) != 6 {
		t.Errorf("without any price: %g and %g vCPU equivalents", cost(&none[0]), cost(&none[1]))
	}
}

func TestSimilar(t *testing.T) {
	base := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{}
		n.Labels = map[string]string{corev1.LabelTopologyZone: "AD-1", corev1.LabelArchStable: "amd64", "team": "a"}
		n.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("16000Mi")}
		n.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("3900m"), "memory": resource.MustParse("14000Mi")}
		change(n)
		return n
	}
	plain := base(func(*corev1.Node) {})
	for _, tt := range []struct {
		name   string
		change func(*corev1.Node)
		want   bool
	}{
		{"another zone", func(n *corev1.Node) { n.Labels[corev1.LabelTopologyZone] = "AD-2" }, true},
		{"1 % of memory", func(n *corev1.Node) { n.Status.Capacity["memory"] = resource.MustParse("15840Mi") }, true},
		{"2 % of memory", func(n *corev1.Node) { n.Status.Capacity["memory"] = resource.MustParse("15680Mi") }, false},
		{"another core", func(n *corev1.Node) { n.Status.Capacity["cpu"] = resource.MustParse("5") }, false},
		{"4 % of allocatable", func(n *corev1.Node) { n.Status.Allocatable["cpu"] = resource.MustParse("3750m") }, true},
		{"6 % of allocatable", func(n *corev1.Node) { n.Status.Allocatable["cpu"] = resource.MustParse("3650m") }, false},
		{"a device", func(n *corev1.Node) { n.Status.Capacity["nvidia.com/gpu"] = resource.MustParse("1") }, false},
		{"another architecture", func(n *corev1.Node) { n.Labels[corev1.LabelArchStable] = "arm64" }, false},
		{"a label of its own", func(n *corev1.Node) { n.Labels["disk"] = "fast" }, false},
		{"a label to be ignored", func(n *corev1.Node) { n.Labels["team"] = "b" }, true},
		{"a taint", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}} }, false},
	} {
		other := base(tt.change)
		if got := Similar(plain, other, []string{"team"}); got != tt.want || Similar(other, plain, []string{"team"}) != got {
			t.Errorf("%s: similar %v, want %v (both ways)", tt.name, got, tt.want)
		}
	}
}

func TestBalance(t *testing.T) {
	for _, tt := range []struct {
		sizes, rooms, want []int
		n                  int
	}{
		{[]int{0, 0, 0}, []int{9, 9, 9}, []int{3, 2, 2}, 7},
		{[]int{5, 1, 0}, []int{9, 9, 9}, []int{0, 2, 3}, 5},
		{[]int{0, 0}, []int{1, 9}, []int{1, 4}, 5},
		{[]int{0, 0}, []int{1, 1}, []int{1, 1}, 5},
	} {
		if diff := cmp.Diff(tt.want, Balance(tt.sizes, tt.rooms, tt.n)); diff != "" {
			t.Errorf("%v: %s", tt, diff)
		}
	}
}

// The linear program's own answer is checked against the constraints and
// against every vertex that chance finds.
func TestSimplexIsOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n := rapid.IntRange(1, 4).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "columns")
		number := rapid.Float64Range(0, 10)
		a, b, c := make([][]float64, m), make([]float64, m), make([]float64, n)
		for i := range a {
			a[i], b[i] = make([]float64, n), number.Draw(t, "b")
			for j := range a[i] {
				a[i][j] = float64(rapid.IntRange(0, 5).Draw(t, "a"))
			}
		}
		for j := range c {
			c[j] = float64(rapid.IntRange(0, 5).Draw(t, "c"))
		}
		best, x, shadow, ok := simplex(a, b, c, 1000)
		if !ok {
			return // unbounded: a column that nothing bounds
		}
		dual := 0.0
		for i := range a {
			dual += b[i] * shadow[i]
			sum := 0.0
			for j := range x {
				sum += a[i][j] * x[j]
			}
			if sum > b[i]+1e-6 || shadow[i] < -1e-6 {
				t.Fatalf("row %d: %g of %g, shadow %g", i, sum, b[i], shadow[i])
			}
		}
		for j := range c {
			sum := 0.0
			for i := range a {
				sum += a[i][j] * shadow[i]
			}
			if sum < c[j]-1e-6 {
				t.Fatalf("column %d: its dual %g is below %g", j, sum, c[j])
			}
		}
		// Both are feasible: equal means that both are best.
		if dual < best-1e-6 || dual > best+1e-6 {
			t.Fatalf("maximum %g, dual %g", best, dual)
		}
	})
}
