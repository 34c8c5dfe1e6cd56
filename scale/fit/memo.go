package fit

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world"
)

// Memo is what was found out about nodes' pods, kept from one Cluster to the
// next: how each pod is spelled, and by which labels pods select. It is a matter
// of speed alone; a Cluster without one gives the same answers.
//
// It goes by the list of a node's pods, the very list: world.Observer hands out
// the same one as long as no pod on the node has changed, and a list that was
// handed out is never changed.
//
// It is not safe for concurrent use, and serves one Cluster at a time.
type Memo struct {
	crews, before map[**corev1.Pod]*crew
	order         []string // of labels, that the numbers below hold for
	numbers       map[string]int32
	anew          int // spellings there were when they had all been found anew
}

// crew is the pods of one node.
type crew struct {
	pods    []*corev1.Pod // keeps the list, and so the key, from being anybody else's
	selects []string
	spelled []int32 // the number of each pod's spelling, or over; nil when not known
}

// over is the number of pods that are at their end.
const over = int32(-1)

// NewMemo is one that knows nothing.
func NewMemo() *Memo {
	return &Memo{crews: map[**corev1.Pod]*crew{}, numbers: map[string]int32{}}
}

// maxTexts bounds the spellings: where there are more they are all found anew. So
// they are where most are of pods that are gone: more than twice as many as there
// were when that was done last, and spareTexts.
const (
	maxTexts   = 100_000
	spareTexts = 256
)

// begin forgets what the last Cluster did not ask for.
func (m *Memo) begin() {
	m.before, m.crews = m.crews, make(map[**corev1.Pod]*crew, len(m.crews))
}

// of is what is known of the list, with the selectors found out.
func (m *Memo) of(pods []*corev1.Pod) *crew {
	key := &pods[0]
	c := m.crews[key]
	if c == nil {
		if c = m.before[key]; c != nil && len(c.pods) == len(pods) {
			m.crews[key] = c
		}
	}
	if c == nil || len(c.pods) != len(pods) {
		c = &crew{pods: pods}
		for _, pod := range pods {
			selectsBy(pod, func(key string) {
				if !slices.Contains(c.selects, key) {
					c.selects = append(c.selects, key)
				}
			})
		}
		m.crews[key] = c
	}
	return c
}

// ordered makes the spellings those that go by these labels.
func (m *Memo) ordered(order []string) {
	if slices.Equal(m.order, order) && !m.stale() {
		return
	}
	m.order, m.anew = order, 0
	m.numbers = map[string]int32{} // one that is cleared stays as large as it was
	for _, crews := range []map[**corev1.Pod]*crew{m.crews, m.before} {
		for _, c := range crews {
			c.spelled = nil
		}
	}
}

// stale is whether there are many more spellings than pods say. It is asked at the
// beginning of each look, the first of which after they were dropped found those
// that all pods say.
func (m *Memo) stale() bool {
	if m.anew == 0 {
		m.anew = len(m.numbers)
	}
	return len(m.numbers) >= maxTexts || len(m.numbers) > 2*m.anew+spareTexts
}

// eachList is each list of pods in the snapshot.
func eachList(s *world.Snapshot, see func([]*corev1.Pod)) {
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if len(n.Pods) > 0 {
				see(n.Pods)
			}
		}
	}
	for _, n := range s.Unmanaged {
		if len(n.Pods) > 0 {
			see(n.Pods)
		}
	}
}

// AddPods places a node's pods, those at their end left out, whether they fit or
// not. The list must not change afterwards.
func (c *Cluster) AddPods(pods []*corev1.Pod, name string) {
	n := c.nodes[name]
	if n == nil || len(pods) == 0 {
		return
	}
	if c.memo == nil {
		for _, pod := range pods {
			if !atEnd(pod) {
				c.put(n, c.classOn(n, pod), []*corev1.Pod{pod})
			}
		}
		return
	}
	crew := c.memo.of(pods)
	if crew.spelled == nil {
		crew.spelled = c.spellAll(n, pods)
	}
	n.pods = slices.Grow(n.pods, len(pods))
	for i, number := range crew.spelled {
		if number == over {
			continue
		}
		for len(c.numbered) <= int(number) {
			c.numbered = append(c.numbered, nil)
		}
		class := c.numbered[number]
		if class == nil {
			class = c.classOn(n, pods[i])
			c.numbered[number] = class
		}
		c.put(n, class, pods[i:i+1])
	}
}

// spellAll numbers the spellings of pods on a node.
func (c *Cluster) spellAll(n *node, pods []*corev1.Pod) []int32 {
	out := make([]int32, len(pods))
	for i, pod := range pods {
		out[i] = over
		if atEnd(pod) {
			continue
		}
		bound := pod.Spec.NodeName
		if bound == n.name {
			bound = "" // see classOn
		}
		c.book.buf = c.spell(c.book.buf[:0], pod, bound)
		number, ok := c.memo.numbers[string(c.book.buf)]
		if !ok {
			number = int32(len(c.memo.numbers))
			c.memo.numbers[string(c.book.buf)] = number
		}
		out[i] = number
	}
	return out
}

func atEnd(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
