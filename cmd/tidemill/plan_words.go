package main

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/whatif"
	"github.com/tidemill/tidemill/scale"
)

// few is how many nodes or pods with one reason are still named one by one.
const few = 3

// most is how many lines of one kind are printed; -o json has them all.
const most = 100

// owners are the workloads of the pods that wait.
func owners(s *world.Snapshot) map[string]string {
	out := map[string]string{}
	for _, p := range s.Pending {
		if w := workload(p); w != "" {
			out[p.Namespace+"/"+p.Name] = w
		}
	}
	return out
}

// workload is what people call the pod's owner: of a Deployment's pods the
// owner is a ReplicaSet whose name ends with the template's hash.
func workload(p *corev1.Pod) string {
	o := metav1.GetControllerOfNoCopy(p)
	if o == nil {
		return ""
	}
	kind, name := o.Kind, o.Name
	if short, ok := strings.CutSuffix(name, "-"+p.Labels["pod-template-hash"]); ok && kind == "ReplicaSet" && p.Labels["pod-template-hash"] != "" {
		kind, name = "Deployment", short
	}
	return fmt.Sprintf("%s %s/%s", kind, p.Namespace, name)
}

// splitScale parts the actions from the reasons. A pool that can grow and a pod
// that is helped are no reasons.
func splitScale(p scale.Plan, owners map[string]string) (do []string, not []because) {
	not = append(not, unhelped(p.Verdicts, owners)...)
	for _, v := range p.Pools {
		if v.Reason != "" {
			not = append(not, sentence("pool", v.Pool, v.String()))
		}
	}
	not = append(not, staying(p.Nodes)...)
	timers := started(p.Timers)
	if p.Actions() > 0 {
		p.Verdicts, p.Pools, p.Nodes = nil, nil, nil
		if timers != nil {
			p.Timers = nil
		}
		if text := strings.TrimSuffix(p.String(), "\n"); p.Actions() > 0 {
			do = strings.Split(text, "\n")
		}
	}
	return append(do, timers...), not
}

// group is things that have the same to say, the first of them in full.
type group[T any] struct {
	first T
	count int
}

// groups puts a list into groups by key, in the order of the first of each.
func groups[T any](list []T, key func(T) string) []group[T] {
	at := map[string]int{}
	var out []group[T]
	for _, x := range list {
		k := key(x)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, group[T]{first: x})
		}
		out[i].count++
	}
	return out
}

// unhelped says for each workload once why its pods are not helped.
func unhelped(list []scale.Verdict, owners map[string]string) []because {
	list = slices.DeleteFunc(slices.Clone(list), func(v scale.Verdict) bool { return v.Help != scale.HelpNone })
	var out []because
	for _, g := range groups(list, func(v scale.Verdict) string { return verdictKey(v, owners) }) {
		out = append(out, podsLine(g, owners))
	}
	if len(out) > most {
		rest := 0
		for _, b := range out[most:] {
			rest += b.count
		}
		out = append(out[:most], because{fmt.Sprintf("and %d", rest), "pods", 1, fmt.Sprintf(" in %d more groups; -o json lists all", len(out)-most)})
	}
	return out
}

// verdictKey is the same for pods that one line stands for.
func verdictKey(v scale.Verdict, owners map[string]string) string {
	var b strings.Builder
	owner := owners[v.Pod]
	fmt.Fprintf(&b, "%s\x00%s\x00%s\x00%s", owner, v.Help, v.Where, v.Reason)
	if owner == "" {
		b.WriteString(v.Message)
	}
	for _, p := range v.Pools {
		b.WriteString("\x00" + p.Pool + "=" + string(p.Reason))
		if owner == "" {
			b.WriteString(p.Message)
		}
	}
	return b.String()
}

func podsLine(g group[scale.Verdict], owners map[string]string) because {
	b := sentence("pod", g.first.Pod, g.first.String())
	owner := owners[g.first.Pod]
	if g.count == 1 || owner == "" {
		b.count = g.count
		return b
	}
	tail := strings.Replace(strings.Replace(b.tail, " is not helped", " are not helped", 1), " gets a new node", " get new nodes", 1)
	tail = strings.Replace(strings.Replace(tail, " fits node ", " fit nodes such as ", 1), ", which is ", ", ", 1)
	return because{fmt.Sprintf("%d pods of", g.count), owner, 1, tail}
}

// staying says why nodes stay: each where there are few with one reason in a
// pool, and otherwise how many, with an example.
func staying(list []scale.NodeVerdict) []because {
	key := func(v scale.NodeVerdict) string { return v.Pool + "\x00" + string(v.Reason) }
	counts := map[string]int{}
	for _, v := range list {
		counts[key(v)]++
	}
	said := map[string]bool{}
	var out []because
	for _, v := range list {
		k := key(v)
		if n := counts[k]; n > few {
			if !said[k] {
				out = append(out, because{fmt.Sprintf("%d nodes of pool", n), v.Pool, 1, fmt.Sprintf(" stay: %s%s", v.Reason, example(v))})
			}
			said[k] = true
			continue
		}
		out = append(out, sentence("node", v.Node, v.String()))
	}
	return out
}

func example(v scale.NodeVerdict) string {
	if v.Message == "" {
		return ""
	}
	return fmt.Sprintf(", such as %s: %s", v.Node, v.Message)
}

// started says in how many nodes of a pool time begins or stops to run; nil
// where there are so few that each is named.
func started(list []scale.Timer) (out []string) {
	if len(list) <= few {
		return nil
	}
	for _, g := range groups(list, func(t scale.Timer) string { return fmt.Sprint(t.Pool, t.Since == nil) }) {
		switch {
		case g.count == 1:
			out = append(out, g.first.String())
		case g.first.Since == nil:
			out = append(out, fmt.Sprintf("%d nodes of pool %s are needed again", g.count, g.first.Pool))
		default:
			out = append(out, fmt.Sprintf("%d nodes of pool %s are unneeded from now on", g.count, g.first.Pool))
		}
	}
	return out
}

// wordsOf is "37 pods and 1 Pool".
func wordsOf(c *whatif.Change) string {
	var parts []string
	for _, x := range []struct {
		n    int
		noun string
	}{{c.Pods(), "pod"}, {len(c.Pools), "Pool"}, {len(c.DaemonSets), "DaemonSet"}, {len(c.PDBs), "PodDisruptionBudget"}} {
		if x.n == 1 {
			parts = append(parts, "1 "+x.noun)
		} else if x.n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", x.n, x.noun))
		}
	}
	return strings.Join(parts, ", ")
}

// answers says for each workload of the file what helps its pods.
func (p plans) answers() []string {
	mine := map[string]bool{}
	for _, w := range p.added.Workloads {
		mine[w.Title()] = true
	}
	var of []scale.Verdict
	for _, v := range p.Scale.Verdicts {
		if mine[p.owners[v.Pod]] || mine["Pod "+v.Pod] {
			of = append(of, v)
		}
	}
	key := func(v scale.Verdict) string {
		if v.Help == scale.HelpExisting || v.Help == scale.HelpJoining {
			v.Where = "" // one line for all nodes
		}
		return verdictKey(v, p.owners)
	}
	var list []because
	for _, g := range groups(of, key) {
		list = append(list, podsLine(g, p.owners))
	}
	return gather(list)
}
