// Package drain empties one node, a little at a time.
//
//	Step ──► list the node's pods, live
//	     ──► Classify: stays (DaemonSet, mirror, finished) │ leaving │ blocked │ evictable
//	     ──► ask the Eviction API once for each evictable pod whose turn it is
//	     ──► Progress: empty, or what is left and why
//
// kubectl's library supplies the filters, since its answers are what people
// expect of "drain". Its loops are left alone: they sleep, poll each pod once a
// second, spin on a refused eviction when a field is left zero, and forget
// everything when the process dies. Here nothing waits: Step is called on every
// tick, does what is due, and returns. The only memory is when a pod may be
// asked again, and losing it costs one early request.
//
// A pod leaves through the Eviction API or not at all. Why one does not is a
// [Reason] with the budget's name and numbers.
package drain

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
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

// Drainer empties nodes. It is safe for concurrent use; one serves all pools,
// so that its eviction rate is the whole daemon's.
type Drainer struct {
	client kubernetes.Interface
	evict  Evict

	mu    sync.Mutex // guards the fields below
	rate  bucket
	turns map[types.UID]map[types.UID]turn // by node, by pod
}

// Target is a node to be emptied, and what has to be known to classify its pods.
type Target struct {
	Node *corev1.Node
	// Cordoned is since when the node has taken no new pods.
	Cordoned time.Time
	// DaemonSets and PDBs may come from a cache: they explain and classify, the
	// API server alone decides.
	DaemonSets []*appsv1.DaemonSet
	PDBs       []*policyv1.PodDisruptionBudget
}

// Progress is how far a node is.
type Progress struct {
	// Empty: no pod is left that would have to leave, and the cordon is old
	// enough for that to last.
	Empty bool
	// Left is the number of pods that still have to leave, those included that
	// are on their way.
	Left int
	// Leaving are terminating pods.
	Leaving int
	// Blocked are the pods that do not leave, by namespace and name.
	Blocked []Block
	// Asked counts this step's evictions by their answer.
	Asked map[Reason]int
}

// Block is a pod that does not leave, and why.
type Block struct {
	Pod     string `json:"pod"` // namespace/name
	Reason  Reason `json:"reason"`
	PDB     string `json:"pdb,omitempty"`
	Message string `json:"message,omitempty"`
}

// String names the pod, the reason and the details.
func (b Block) String() string { return fmt.Sprintf("%s: %s: %s", b.Pod, b.Reason, b.Message) }

// New makes a Drainer that evicts through client.
func New(client kubernetes.Interface) *Drainer {
	return &Drainer{client: client, evict: evictor(client), turns: map[types.UID]map[types.UID]turn{}}
}

// Step does for one node what is due now. An error means that the pods could
// not be listed; a refused eviction is no error but a Block.
func (d *Drainer) Step(ctx context.Context, t Target) (Progress, error) {
	c, err := d.look(ctx, t)
	if err != nil {
		return Progress{}, err
	}
	p := Progress{Leaving: len(c.Leaving), Blocked: c.Blocked, Asked: map[Reason]int{}}
	turns := d.keep(t.Node.UID, c.Evictable)
	for _, pod := range c.Evictable {
		if block := d.ask(ctx, pod, t.PDBs, turns, p.Asked); block != nil {
			p.Blocked = append(p.Blocked, *block)
		}
	}
	sort.Slice(p.Blocked, func(i, j int) bool { return p.Blocked[i].Pod < p.Blocked[j].Pod })
	p.Left = len(c.Evictable) + len(c.Leaving) + len(c.Blocked)
	p.Empty = p.Left == 0 && time.Since(t.Cordoned) >= MinDrain
	return p, nil
}

// Empty looks without asking anything of a pod: is there still none that would
// have to leave? It is the last question before a machine is deleted.
func (d *Drainer) Empty(ctx context.Context, t Target) (bool, error) {
	c, err := d.look(ctx, t)
	return err == nil && len(c.Evictable)+len(c.Leaving)+len(c.Blocked) == 0, err
}

func (d *Drainer) look(ctx context.Context, t Target) (Classes, error) {
	list, err := d.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", t.Node.Name).String(),
	})
	if err != nil {
		return Classes{}, fmt.Errorf("list pods of node %s: %w", t.Node.Name, err)
	}
	return Classify(t.Node, list.Items, t.DaemonSets, time.Now()), nil
}

// ask evicts one pod if it is its turn and the rate allows, and says why it
// stays otherwise; nil when it goes.
func (d *Drainer) ask(ctx context.Context, pod *corev1.Pod, pdbs []*policyv1.PodDisruptionBudget, turns map[types.UID]turn, asked map[Reason]int) *Block {
	now := time.Now()
	d.mu.Lock()
	was := turns[pod.UID]
	d.mu.Unlock()
	if now.Before(was.next) {
		return was.block
	}
	if !d.take(now) {
		return was.block // the rate is spent; the next tick goes on
	}
	err := d.evict(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		// The pod that was classified, not a namesake that took its place.
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	})
	answer := classifyAnswer(pod, pdbs, err)
	asked[answer.Reason]++
	next := was.after(answer, now)
	d.mu.Lock()
	turns[pod.UID] = next
	d.mu.Unlock()
	return next.block
}
