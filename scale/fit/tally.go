package fit

import (
	corev1 "k8s.io/api/core/v1"
)

// topology numbers the values of the labels that pods spread or gather by: the
// domains of each.
type topology struct {
	keys    map[string]int
	names   []string
	domains []map[string]int32
}

const absent = int32(-1)

func newTopology() topology { return topology{keys: map[string]int{}} }

func (t *topology) domain(key int, n *node) int32 {
	v, ok := n.label(t.names[key])
	if !ok {
		return absent
	}
	d, ok := t.domains[key][v]
	if !ok {
		d = int32(len(t.domains[key]))
		t.domains[key][v] = d
	}
	return d
}

func (t *topology) domainsOf(n *node) []int32 {
	out := make([]int32, len(t.names))
	for key := range out {
		out[key] = t.domain(key, n)
	}
	return out
}

// key is the number of a topology key.
func (c *Cluster) key(name string) int {
	t := &c.topo
	k, ok := t.keys[name]
	if !ok {
		k = len(t.names)
		t.keys[name] = k
		t.names = append(t.names, name)
		t.domains = append(t.domains, map[string]int32{})
		for _, n := range c.nodes {
			n.domains = append(n.domains, t.domain(k, n))
		}
	}
	return k
}

// tally counts pods of one description by domain. It is right at all times:
// pods that come and go are counted as they do.
type tally struct {
	matches func(*corev1.Pod) bool
	key     int
	ground  *ground // where pods count; nil for everywhere
	fresh   bool    // pods that were there before it are not counted yet

	dense  []int32
	sparse map[int32]int32 // instead of dense for hostnames: there most are none
	total  int
	// levels are how many domains have so many pods, from one up, and some how
	// many have any.
	levels []int32
	some   int
}

func (t *tally) at(d int32) int32 {
	switch {
	case t.sparse != nil:
		return t.sparse[d]
	case int(d) < len(t.dense):
		return t.dense[d]
	}
	return 0
}

// add counts pods that came to a node, or left it.
func (t *tally) add(n *node, count int) {
	d := n.domains[t.key]
	if d == absent || t.ground != nil && !t.ground.who.admits(n) {
		return
	}
	before := t.at(d)
	after := before + int32(count)
	if t.sparse != nil {
		t.sparse[d] = after
		if after == 0 {
			delete(t.sparse, d)
		}
	} else {
		for int(d) >= len(t.dense) {
			t.dense = append(t.dense, 0)
		}
		t.dense[d] = after
	}
	t.total += count
	if t.ground != nil {
		t.level(before, -1)
		t.level(after, 1)
	}
}

func (t *tally) level(pods, by int32) {
	if pods == 0 {
		return
	}
	for int(pods) >= len(t.levels) {
		t.levels = append(t.levels, 0)
	}
	t.levels[pods] += by
	t.some += int(by)
}

// least is the smallest count of any domain of the ground; 0 while there are
// fewer domains than wanted.
func (t *tally) least(wanted int32) int32 {
	if t.some < t.ground.domains || t.ground.domains < int(wanted) || t.some == 0 {
		return 0
	}
	for pods, n := range t.levels {
		if n > 0 {
			return int32(pods)
		}
	}
	return 0
}

// ground is the domains that a spread is measured over: those of nodes that the
// pods might be on as far as the constraint's policies say.
type ground struct {
	key     int
	who     *eligibility
	nodes   map[int32]int32 // by domain
	domains int
}

func (g *ground) add(n *node, sign int32) {
	if !g.who.admits(n) {
		return
	}
	d := n.domains[g.key]
	g.nodes[d] += sign
	if g.nodes[d] == 0 {
		delete(g.nodes, d)
	}
	g.domains = len(g.nodes)
}

// eligibility says which nodes count for a spread.
type eligibility struct {
	keys   []int // the node must have all of these labels
	judge  func(*node) bool
	picky  bool
	memory []int8 // by kind: 0 not asked yet, 1 yes, -1 no
}

func (e *eligibility) admits(n *node) bool {
	for _, k := range e.keys {
		if n.domains[k] == absent {
			return false
		}
	}
	switch {
	case e.judge == nil:
		return true
	case e.picky:
		return e.judge(n)
	}
	for len(e.memory) <= n.kind.number {
		e.memory = append(e.memory, 0)
	}
	if e.memory[n.kind.number] == 0 {
		e.memory[n.kind.number] = -1
		if e.judge(n) {
			e.memory[n.kind.number] = 1
		}
	}
	return e.memory[n.kind.number] > 0
}

// ruleBook finds tallies, grounds and eligibilities by what they are about.
type ruleBook struct {
	tallies  map[string]*tally
	hooked   map[label][]*tally // that only pods with the label are counted in
	loose    []*tally
	grounds  []*ground
	byText   map[string]*ground
	eligible map[string]*eligibility
	bars     map[string]*bar
	barLabel map[label][]*bar
	barLoose []*bar
	fresh    []*tally
}

func newRuleBook() ruleBook {
	return ruleBook{
		tallies: map[string]*tally{}, hooked: map[label][]*tally{}, byText: map[string]*ground{}, eligible: map[string]*eligibility{},
		bars: map[string]*bar{}, barLabel: map[label][]*bar{},
	}
}

// forget drops what was remembered by kind.
func (b *ruleBook) forget() {
	for _, e := range b.eligible {
		e.memory = nil
	}
}

// ground counts a node in or out.
func (b *ruleBook) ground(n *node, sign int32) {
	for _, g := range b.grounds {
		g.add(n, sign)
	}
}

func (c *Cluster) tally(text string, key int, g *ground, hook label, matches func(*corev1.Pod) bool) *tally {
	b := &c.rules
	if t := b.tallies[text]; t != nil {
		return t
	}
	t := &tally{matches: matches, key: key, ground: g, fresh: true}
	if c.topo.names[key] == corev1.LabelHostname {
		t.sparse = map[int32]int32{}
	}
	b.tallies[text] = t
	b.fresh = append(b.fresh, t)
	classes := c.book.all
	if hook.key != "" {
		b.hooked[hook] = append(b.hooked[hook], t)
		classes = c.book.byLabel[hook]
	} else {
		b.loose = append(b.loose, t)
	}
	for _, cl := range classes {
		if matches(cl.pod) {
			cl.counted = append(cl.counted, t)
		}
	}
	return t
}

// settle counts the pods that were there before tallies were.
func (c *Cluster) settle() {
	if len(c.rules.fresh) == 0 {
		return
	}
	for _, n := range c.nodes {
		for i := range n.pods {
			for _, t := range n.pods[i].class.counted {
				if t.fresh {
					t.add(n, 1)
				}
			}
		}
	}
	for _, t := range c.rules.fresh {
		t.fresh = false
	}
	c.rules.fresh = c.rules.fresh[:0]
}

// groundFor finds or makes a ground, with the nodes there are.
func (c *Cluster) groundFor(text string, key int, who *eligibility) *ground {
	b := &c.rules
	if g := b.byText[text]; g != nil {
		return g
	}
	g := &ground{key: key, who: who, nodes: map[int32]int32{}}
	for _, n := range c.nodes {
		g.add(n, 1)
	}
	b.byText[text] = g
	b.grounds = append(b.grounds, g)
	return g
}
