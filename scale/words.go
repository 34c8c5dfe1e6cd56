package scale

import (
	"fmt"
	"strings"
	"time"
)

// String is "take back 2 of pool workers, 5 to 3: OutOfHostCapacity".
func (t TakeBack) String() string {
	return fmt.Sprintf("take back %d of pool %s, %d to %d: %s", t.From-t.To, t.Pool, t.From, t.To, t.why())
}

// why names the faults with the cloud's words.
func (t TakeBack) why() string {
	var parts []string
	for _, f := range t.Faults {
		s := f.Class
		if f.Message != "" {
			s += " (" + f.Message + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// String is "grow pool workers from 1 to 3 for 12 pods, 4% waste".
func (g Grow) String() string {
	s := fmt.Sprintf("grow pool %s from %d to %d", g.Pool, g.From, g.To)
	if g.Cycle {
		s += " by way of its cycle"
	}
	if len(g.Replaces) > 0 {
		return fmt.Sprintf("%s to replace node %s for %s", s, strings.Join(g.Replaces, ", "), g.Message)
	}
	room := ""
	if g.Headroom > 0 {
		room = fmt.Sprintf("%s for the loss of a zone, %s", count(g.Headroom, "node"), g.Message)
	}
	switch {
	case len(g.Pods) > 0 && room != "":
		room = "; " + room
	case len(g.Pods) > 0:
	case g.Headroom == g.To-g.From:
		return s + ": " + room
	case room != "":
		return s + " to reach its minimum; " + room
	default:
		return s + " to reach its minimum"
	}
	return fmt.Sprintf("%s for %s, %.0f%% waste%s", s, count(len(g.Pods), "pod"), 100*g.Waste, room)
}

// String is "keep node n1 of pool workers: PodsNeedIt, 2 pods".
func (k Keep) String() string {
	s := fmt.Sprintf("keep node %s of pool %s: %s", k.Node, k.Pool, k.Reason)
	if len(k.Pods) > 0 {
		return s + ", " + count(len(k.Pods), "pod")
	}
	return because(s, k.Message)
}

// String is "node n1 of pool workers is unneeded from now on" or "... is needed
// again".
func (t Timer) String() string {
	if t.Since == nil {
		return fmt.Sprintf("node %s of pool %s is needed again", t.Node, t.Pool)
	}
	return fmt.Sprintf("node %s of pool %s is unneeded from now on", t.Node, t.Pool)
}

// String is "let node n1 of pool workers go: Underused, ... ; 2 pods move".
func (r Removal) String() string {
	s := fmt.Sprintf("let node %s of pool %s go: %s, %s", r.Node, r.Pool, r.Reason, r.Message)
	if len(r.Pods) == 0 {
		return s
	}
	return fmt.Sprintf("%s; %s", s, count(len(r.Pods), "pod")+" to move")
}

// String is "pool workers can grow" or "pool workers cannot grow: PoolAtMax, ...".
func (v PoolVerdict) String() string {
	if v.Reason == "" {
		return fmt.Sprintf("pool %s can grow", v.Pool)
	}
	return because(fmt.Sprintf("pool %s cannot grow: %s", v.Pool, v.Reason), v.Message)
}

// String is "node n1 of pool workers stays: Needed, ...".
func (v NodeVerdict) String() string {
	return because(fmt.Sprintf("node %s of pool %s stays: %s", v.Node, v.Pool, v.Reason), v.Message)
}

// String is "pod default/web fits node n1, which is there", or why it is not helped.
func (v Verdict) String() string {
	switch v.Help {
	case HelpExisting:
		return fmt.Sprintf("pod %s fits node %s, which is there", v.Pod, v.Where)
	case HelpJoining:
		return fmt.Sprintf("pod %s fits node %s, which is on its way", v.Pod, v.Where)
	case HelpKept:
		return fmt.Sprintf("pod %s fits node %s, which was to leave", v.Pod, v.Where)
	case HelpGrowth:
		return fmt.Sprintf("pod %s gets a new node of pool %s", v.Pod, v.Where)
	}
	return because(fmt.Sprintf("pod %s is not helped: %s", v.Pod, v.Reason), v.why())
}

// why is the message, or what each pool says.
func (v Verdict) why() string {
	if v.Message != "" || len(v.Pools) == 0 {
		return v.Message
	}
	var parts []string
	for _, p := range v.Pools {
		parts = append(parts, because(p.Pool+": "+string(p.Reason), p.Message))
	}
	return strings.Join(parts, "; ")
}

func because(s, message string) string {
	if message == "" {
		return s
	}
	return s + ", " + message
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// span is a duration as people say it: "12m", not "12m0s".
func span(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
