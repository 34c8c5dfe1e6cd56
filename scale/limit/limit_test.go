package limit

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRoom(t *testing.T) {
	each := Amount{Nodes: 1, Cores: 16, Memory: 64 << 30, GPUs: map[string]float64{"nvidia.com/gpu": 2}, Spend: 0.3}
	have := Amount{}.Add(each, 2)
	for _, tt := range []struct {
		name   string
		limits Limits
		want   int
		says   string
	}{
		{"none", Limits{}, 10, "nothing"},
		{"nodes", Limits{Nodes: AtMost(5)}, 3, "2 of at most 5 nodes"},
		{"cores", Limits{Cores: AtMost(48)}, 1, "32 of at most 48 cores, and a node has 16"},
		{"memory", Limits{Memory: AtMost(200 << 30)}, 1, "128 GiB of at most 200 GiB memory, and a node has 64 GiB"},
		{"GPUs", Limits{AllGPUs: AtMost(4)}, 0, "4 of at most 4 GPUs"},
		{"one kind", Limits{GPUs: map[string]Range{"nvidia.com/gpu": AtMost(6)}}, 1, "4 of at most 6 nvidia.com/gpu"},
		{"another kind", Limits{GPUs: map[string]Range{"amd.com/gpu": AtMost(0)}}, 10, "nothing"},
		{"spend, in tenths", Limits{Spend: AtMost(0.9)}, 1, "0.6 $/h of at most 0.9 $/h are spent, and a node costs 0.3 $/h"},
		{"the tightest", Limits{Nodes: AtMost(9), Cores: AtMost(40)}, 0, "cores"},
		{"passed already", Limits{Nodes: AtMost(1)}, 0, "2 of at most 1 nodes"},
	} {
		n, b := tt.limits.Room(have, each, 10)
		said := b.Thing.String()
		if b.Thing != Nothing {
			said = b.String()
		}
		if n != tt.want || !strings.Contains(said, tt.says) && said != tt.says {
			t.Errorf("%s: %d, %q; want %d, %q", tt.name, n, said, tt.want, tt.says)
		}
	}
	unpriced := Amount{Nodes: 1, Unpriced: true}
	if n, b := (Limits{Spend: AtMost(5)}).Room(have, unpriced, 10); n != 0 || !b.Unpriced || !strings.Contains(b.String(), "not known") {
		t.Errorf("without a price: %d, %s", n, b)
	}
	if n, _ := (Limits{}).Room(have, unpriced, 10); n != 10 {
		t.Errorf("without a price or a limit: %d", n)
	}
}

func TestSpare(t *testing.T) {
	r, err := ParseRange("20:100")
	if err != nil {
		t.Fatal(err)
	}
	each := Amount{Nodes: 1, Cores: 16}
	if n, b := (Limits{Cores: r}).Spare(Amount{}.Add(each, 4), each, 10); n != 2 || b.Thing != Cores {
		t.Errorf("%d nodes may go, %v", n, b.Thing)
	}
}

// What a node brings next to nothing of fits more often than an int can count.
func TestRoomOfNextToNothing(t *testing.T) {
	if n, _ := (Limits{Spend: AtMost(1)}).Room(Amount{}, Amount{Spend: 1e-19}, 10); n != 10 {
		t.Errorf("%d of 10", n)
	}
}

// Room never passes a limit, and one node more always would.
func TestRoomIsTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := func(name string) float64 { return float64(rapid.IntRange(0, 10_000).Draw(t, name)) / 100 }
		each := Amount{Nodes: 1, Cores: f("cores"), Memory: f("memory"), Spend: f("spend")}
		l := Limits{Nodes: AtMost(f("max nodes")), Cores: AtMost(f("max cores")), Memory: AtMost(f("max memory")), Spend: AtMost(f("max spend"))}
		n, b := l.Room(Amount{}, each, 1000)
		within := func(a Amount) bool {
			return a.Nodes <= *l.Nodes.Max+1e-6 && a.Cores <= *l.Cores.Max+1e-6 && a.Memory <= *l.Memory.Max+1e-6 && a.Spend <= *l.Spend.Max+1e-6
		}
		if !within(Amount{}.Add(each, float64(n))) {
			t.Fatalf("%d nodes pass a limit", n)
		}
		if b.Thing != Nothing && within(Amount{}.Add(each, float64(n)+1+1e-6)) {
			t.Fatalf("one more than %d would do, and %s is said to stand in the way", n, b)
		}
	})
}

func TestBadRanges(t *testing.T) {
	for text, want := range map[string]string{
		"5": "not min:max", "a:5": "minimum", "0:b": "maximum", "5:1": "above the maximum", "-1:5": "0 or more", "0:NaN": "0 or more", "0:+Inf": "0 or more", "0:1:2": "maximum",
	} {
		if _, err := ParseRange(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, texts := range [][]string{{"nvidia.com/gpu"}, {":0:1"}, {"a:0:1", "a:0:2"}, {"a:3"}} {
		if _, err := ParseGPUs(texts); err == nil {
			t.Errorf("%q is taken", texts)
		}
	}
	low, high := 5.0, 1.0
	if err := (Limits{Cores: Range{&low, &high}}).Check(); err == nil || !strings.Contains(err.Error(), "cores") {
		t.Errorf("a contradiction is taken: %v", err)
	}
}

func TestFuse(t *testing.T) {
	for _, tt := range []struct {
		n    New
		want string
	}{
		{New{}, ""},
		{New{All: 100}, ""},
		{New{All: 4, Empty: 4}, ""},
		{New{All: 20, Empty: 9}, ""},
		{New{All: 10, Empty: 5}, "5 of 10 new nodes took no pod"},
		{New{All: 6, Lost: 6}, "6 of 6 new machines never became nodes"},
		{New{All: 6, Lost: 3, Empty: 3}, "3 took no pod and 3 never joined"},
	} {
		if got := (Fuse{}).Blown(tt.n); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.n, got, tt.want)
		}
	}
}
