package playground

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

var raceFor = flag.Duration("race-for", 5*time.Second, "how long writers race for a Node's conditions")

// kubelets are the conditions that a kubelet writes.
var kubelets = []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure}

// A race is a Node on whose conditions several write. The kubelet numbers its
// writes; whoever reverts one, or loses one, is seen by the watch.
type race struct {
	api  kubernetes.Interface
	kube client.Client
	name string

	mu    sync.Mutex
	wrong []string
	seen  map[corev1.NodeConditionType]int
	looks int
}

func newRace(t *testing.T, name string) *race {
	c, api := cluster(t)
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	k, err := client.New(c.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"test": "race"}}}
	if _, err := api.CoreV1().Nodes().Create(t.Context(), n, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	r := &race{api: api, kube: k, name: name, seen: map[corev1.NodeConditionType]int{}}
	if err := r.kubelet(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return r
}

// kubelet writes its own conditions as the real one does, by a strategic merge
// patch of the status.
func (r *race) kubelet(ctx context.Context, number int) error {
	var conditions []corev1.NodeCondition
	for _, t := range kubelets {
		status := corev1.ConditionFalse
		if t == corev1.NodeReady {
			status = corev1.ConditionTrue
		}
		conditions = append(conditions, corev1.NodeCondition{Type: t, Status: status, Reason: "Write" + strconv.Itoa(number), LastHeartbeatTime: metav1.Now()})
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": conditions}})
	if err != nil {
		return err
	}
	_, err = r.api.CoreV1().Nodes().Patch(ctx, r.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// watch looks at every state that the Node is ever in. What was there once must
// stay, and the kubelet's numbers never fall.
func (r *race) watch(ctx context.Context, started chan<- struct{}) error {
	w, err := r.api.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + r.name})
	if err != nil {
		return err
	}
	defer w.Stop()
	close(started)
	for event := range w.ResultChan() {
		if n, ok := event.Object.(*corev1.Node); ok {
			r.look(n)
		}
	}
	return nil
}

func (r *race) look(n *corev1.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	now := map[corev1.NodeConditionType]int{}
	for _, c := range n.Status.Conditions {
		number, _ := strconv.Atoi(strings.TrimPrefix(c.Reason, "Write"))
		now[c.Type] = number
	}
	for t, before := range r.seen {
		if number, there := now[t]; !there || number < before {
			r.wrong = append(r.wrong, fmt.Sprintf("resource version %s: %s was at write %d and is at %d (there: %v)", n.ResourceVersion, t, before, number, there))
		}
	}
	r.seen = now
}

// run lets the writers loose for a time and until enough was seen, or until
// something is wrong.
func (r *race) run(t *testing.T, enough func() bool, writers ...func(ctx context.Context, number int) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *raceFor+patience)
	defer cancel()
	end := time.Now().Add(*raceFor)
	var all sync.WaitGroup // of readers
	started := make(chan struct{})
	all.Go(func() {
		if err := r.watch(ctx, started); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	<-started
	var busy sync.WaitGroup
	for _, write := range writers {
		busy.Go(func() {
			for number := 2; ctx.Err() == nil && !r.lost() && !(time.Now().After(end) && enough()); number++ {
				if err := write(ctx, number); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	busy.Wait()
	cancel()
	all.Wait()
}

func (r *race) lost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wrong) > 0
}

// least is how often the condition that was written least often was seen written.
func (r *race) least(kinds []corev1.NodeConditionType) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	least := math.MaxInt
	for _, kind := range kinds {
		least = min(least, r.seen[kind])
	}
	return least
}

// apply is a writer of tidemill's; it decides on a Node that it read a while ago.
func (r *race) apply(owner string, kind corev1.NodeConditionType) func(context.Context, int) error {
	stale := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: r.name}}
	return func(ctx context.Context, number int) error {
		if number%50 == 2 {
			if err := r.kube.Get(ctx, client.ObjectKey{Name: r.name}, stale); err != nil {
				return err
			}
		}
		status := []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown}[number%3]
		return kube.ApplyNodeCondition(ctx, r.kube, stale, owner, corev1.NodeCondition{Type: kind, Status: status, Reason: "Write" + strconv.Itoa(number)})
	}
}

// The kubelet, the doctor and an agent on the host write the conditions of one
// Node as fast as they can: nobody's are lost, and cleaning up takes ours alone.
func TestConditionsOfNobodyAreLost(t *testing.T) {
	r := newRace(t, "race-apply")
	all := append([]corev1.NodeConditionType{v1alpha1.NodeConditionProblem, v1alpha1.NodeConditionHost}, kubelets...)
	r.run(t, func() bool { return r.least(all) >= 10 }, r.kubelet, r.apply(v1alpha1.OwnerDoctor, v1alpha1.NodeConditionProblem), r.apply(v1alpha1.OwnerHost, v1alpha1.NodeConditionHost))
	for _, w := range r.wrong {
		t.Error(w)
	}
	if n := r.least(all); n < 10 {
		t.Errorf("one of %v was written %d times: that is no race", all, n)
	}
	t.Logf("%d states of the Node seen; writes: %v", r.looks, r.seen)

	var n corev1.Node
	if err := r.kube.Get(t.Context(), client.ObjectKey{Name: r.name}, &n); err != nil {
		t.Fatal(err)
	}
	if err := kube.Cleanse(t.Context(), r.kube, &n); err != nil {
		t.Fatal(err)
	}
	if err := r.kube.Get(t.Context(), client.ObjectKey{Name: r.name}, &n); err != nil {
		t.Fatal(err)
	}
	if marks := kube.Marks(&n); len(marks) > 0 || len(n.Status.Conditions) != len(kubelets) {
		t.Errorf("after cleaning up: marks %v, %d conditions, want the kubelet's %d", marks, len(n.Status.Conditions), len(kubelets))
	}
}

// The race can be lost: a monitor that sends a JSON merge patch made from a Node
// that it read a while ago sends the whole list, the kubelet's part of it old.
func TestMergePatchLosesConditions(t *testing.T) {
	r := newRace(t, "race-merge")
	stale := &corev1.Node{}
	r.run(t, func() bool { return false }, r.kubelet, func(ctx context.Context, number int) error {
		if number%50 == 2 {
			if err := r.kube.Get(ctx, client.ObjectKey{Name: r.name}, stale); err != nil {
				return err
			}
		}
		next := stale.DeepCopy()
		next.Status.Conditions = append(next.Status.Conditions, corev1.NodeCondition{Type: "KernelReady", Status: corev1.ConditionTrue, Reason: "Write" + strconv.Itoa(number)})
		return r.kube.Status().Patch(ctx, next, client.MergeFrom(stale))
	})
	if len(r.wrong) == 0 {
		t.Errorf("%d states seen and nothing lost: the watch does not see what it should", r.looks)
	}
}
