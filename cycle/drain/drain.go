// Package drain empties one node, a little at a time.
//
//	Step ──► Classify: stays │ leaving │ blocked │ evictable        (cache, pure)
//	     ──► queue: whose turn is it? waves, volumes, dwell, Jobs    (pure)
//	     ──► ask the Eviction API once for each pod that is due      (UID, rate)
//	     ──► Progress: empty, or what is left and why
//
// kubectl's library supplies the filters, since its answers are what people
// expect of "drain". Its loops are left alone: they sleep, poll each pod once a
// second, spin on a refused eviction when a field is left zero, and forget
// everything when the process dies. Here nothing waits: Step is called when
// something has changed and on every tick, does what is due, and returns. It reads
// what the informers know and costs the API server little but evictions. The only
// memory is when a pod may be asked again, and losing it costs one early request.
// What a cache cannot be believed in is that a node may be emptied at all: a watch that
// is silent for minutes does not tell that a person has taken the node back. So the
// caller is asked before the first pod of a step is ([Target.Still]).
//
// A pod leaves through the Eviction API or not at all, unless the user's policy
// says otherwise ([Terms].Force), and then one at a time and told. Why one does
// not leave is a [Reason] with the budget's name and numbers.
package drain

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// MinDrain is the least time between a cordon and the belief that the node is
// empty: the scheduler may bind pods on what it saw before the cordon.
const MinDrain = 5 * time.Second

// DetachTimeout is how long a volume may take to leave a machine before the drain
// goes on without it; the control plane's own patience is the same.
const DetachTimeout = 6 * time.Minute

// Drainer empties nodes. It is safe for concurrent use; one serves all pools,
// so that its eviction rate is the whole daemon's.
type Drainer struct {
	client kubernetes.Interface
	evict  Evict

	mu        sync.Mutex // guards the fields below
	rate      bucket
	turns     map[types.UID]map[types.UID]turn      // by node, by pod
	detaching map[types.UID]map[types.UID]time.Time // by node, by attachment: since when
	forced    time.Time                             // the last one
}

// New makes a Drainer that evicts through client.
func New(client kubernetes.Interface) *Drainer {
	return &Drainer{client: client, evict: evictor(client), turns: map[types.UID]map[types.UID]turn{},
		detaching: map[types.UID]map[types.UID]time.Time{}}
}

// Step does for one node what is due now. A refused eviction is no error but a
// Block.
func (d *Drainer) Step(ctx context.Context, t Target) Progress {
	now := time.Now()
	c := t.Classify(now)
	q := t.queue(c, d.detach(t, now), now)
	p := Progress{Left: c.Left(), Leaving: len(c.Leaving), Blocked: c.Blocked, Waiting: q.waiting, Asked: map[Reason]int{}}
	s := session{d: d, t: t, now: now, turns: d.keep(t.Node.UID, c)}
	for _, pod := range q.due {
		s.offer(ctx, pod, &p)
	}
	d.force(ctx, &s, c, &p)
	p.Err = s.err
	sort.Slice(p.Blocked, func(i, j int) bool { return p.Blocked[i].Pod < p.Blocked[j].Pod })
	p.Empty = p.Left == 0 && len(p.Waiting) == 0
	return p
}

// session is one step at one node.
type session struct {
	d     *Drainer
	t     Target
	now   time.Time
	turns map[types.UID]turn
	moved string // a pod with volumes that was granted just now
	asked bool   // whether the node is still to be emptied was asked, with err for an answer
	err   error
}

// stands is whether the node is still to be emptied. Only who is about to make a pod
// leave asks, and one answer serves the step.
func (s *session) stands(ctx context.Context) bool {
	if s.t.Still != nil && !s.asked {
		s.asked, s.err = true, s.t.Still(ctx)
	}
	return s.err == nil
}

// offer asks the pod to leave, unless another with volumes is on its way.
func (s *session) offer(ctx context.Context, pod *corev1.Pod, p *Progress) {
	volumes := s.t.Attached(pod)
	if volumes && s.moved != "" {
		p.Waiting = append(p.Waiting, Block{Pod: key(pod), Reason: VolumeMoving, Message: "pods with volumes leave one after another: " + s.moved + " is leaving"})
		return
	}
	block := s.d.ask(ctx, pod, s, p.Asked)
	switch {
	case block != nil:
		p.Blocked = append(p.Blocked, *block)
	case volumes:
		s.moved = "pod " + key(pod)
	}
}

// Empty looks live, without asking anything of a pod: is there still none that
// would have to leave? It is the last question before a machine is deleted.
func (d *Drainer) Empty(ctx context.Context, t Target) (bool, error) {
	list, err := d.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", t.Node.Name).String(),
	})
	if err != nil {
		return false, fmt.Errorf("list pods of node %s: %w", t.Node.Name, err)
	}
	t.Pods = nil
	for i := range list.Items {
		t.Pods = append(t.Pods, &list.Items[i])
	}
	return t.Classify(time.Now()).Left() == 0, nil
}

// ask evicts one pod if it is its turn and the rate allows, and says why it
// stays otherwise; nil when it goes.
func (d *Drainer) ask(ctx context.Context, pod *corev1.Pod, s *session, asked map[Reason]int) *Block {
	was := d.turnOf(s, pod)
	if !was.due(s.t.PDBs, s.now) {
		return was.block
	}
	if !s.stands(ctx) || !d.take(s.now) {
		return was.block // or the rate is spent; the next tick goes on
	}
	err := d.evict(ctx, eviction(pod))
	answer := classifyAnswer(pod, s.t.Around, err)
	asked[answer.Reason]++
	next := was.after(answer, s.t.PDBs, s.now)
	d.setTurn(s, pod, next)
	return next.block
}

// eviction is of the pod that was classified, not of a namesake that took its
// place.
func eviction(pod *corev1.Pod) *policyv1.Eviction {
	return &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	}
}

// Try asks for an eviction that is not carried out, and says what the answer is.
// It sees one pod at a time: that all may go one by one does not say that they may
// go together.
func (d *Drainer) Try(ctx context.Context, pod *corev1.Pod, around Around) Answer {
	e := eviction(pod)
	e.DeleteOptions.DryRun = []string{metav1.DryRunAll}
	return classifyAnswer(pod, around, d.evict(ctx, e))
}
