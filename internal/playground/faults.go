package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A Fault is something wrong with one Node that a doctor should find.
type Fault int

// The faults. A Node may have several. All but the first are annotations on
// the Node that the emulated kubelet obeys, so that `kubectl describe node`
// shows what was done to it.
const (
	FaultUnknown Fault = iota
	// KubeletStopped: no heartbeat and no work on pods. After
	// Options.NodeMonitorGrace the control plane sets the conditions to Unknown
	// and taints the Node unreachable.
	KubeletStopped
	// NotReady: the kubelet lives, renews its lease and reports Ready=False.
	NotReady
	// ReadyFlapping: Ready changes every three seconds.
	ReadyFlapping
	// MemoryPressure, DiskPressure, PIDPressure: the condition of that name. The
	// control plane taints; no pod is evicted, unlike by a real kubelet.
	MemoryPressure
	DiskPressure
	PIDPressure
	// PodsStuckTerminating: deleted pods stay Terminating past their grace.
	PodsStuckTerminating
	// ImagePullFailing: pods that start stay in ErrImagePull or ImagePullBackOff.
	ImagePullFailing
)

var faultNames = map[Fault]string{
	KubeletStopped:       "KubeletStopped",
	NotReady:             "NotReady",
	ReadyFlapping:        "ReadyFlapping",
	MemoryPressure:       "MemoryPressure",
	DiskPressure:         "DiskPressure",
	PIDPressure:          "PIDPressure",
	PodsStuckTerminating: "PodsStuckTerminating",
	ImagePullFailing:     "ImagePullFailing",
}

func (f Fault) String() string {
	if name, ok := faultNames[f]; ok {
		return name
	}
	return "unknown"
}

// Faults lists every fault in the order of the constants.
func Faults() []Fault {
	var all []Fault
	for f := range faultNames {
		all = append(all, f)
	}
	slices.Sort(all)
	return all
}

// ParseFault finds a fault by its name, in any case.
func ParseFault(name string) (Fault, error) {
	var names []string
	for _, f := range Faults() {
		if strings.EqualFold(name, f.String()) {
			return f, nil
		}
		names = append(names, f.String())
	}
	return FaultUnknown, fmt.Errorf("no fault is called %q: there are %s", name, strings.Join(names, ", "))
}

// faultPrefix begins the annotation of a fault.
const faultPrefix = "fault.playground.tidemill.dev/"

// Fault puts a Node under a fault. Doing it twice is doing it once.
func (c *Cluster) Fault(ctx context.Context, node string, f Fault) error {
	if f == KubeletStopped {
		return c.patchNode(ctx, node, "labels", kubeletLabel, nil)
	}
	if _, ok := faultNames[f]; !ok {
		return fmt.Errorf("fault node %s: unknown fault", node)
	}
	if err := c.patchNode(ctx, node, "annotations", faultPrefix+f.String(), ptr("true")); err != nil {
		return err
	}
	if f == PodsStuckTerminating {
		return c.markPods(ctx, node, f, ptr("true"))
	}
	return nil
}

// Heal ends a fault of a Node. Without one it does nothing.
func (c *Cluster) Heal(ctx context.Context, node string, f Fault) error {
	if f == KubeletStopped {
		return c.patchNode(ctx, node, "labels", kubeletLabel, ptr(kubeletRunning))
	}
	if err := c.patchNode(ctx, node, "annotations", faultPrefix+f.String(), nil); err != nil {
		return err
	}
	if f == PodsStuckTerminating {
		return c.markPods(ctx, node, f, nil)
	}
	return nil
}

// patchNode sets one label or annotation of a Node; nil removes it.
func (c *Cluster) patchNode(ctx context.Context, node, field, key string, value *string) error {
	_, err := c.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, metaPatch(field, key, value), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("patch node %s: %w", node, err)
	}
	return nil
}

// markPods gives a fault to every pod that is on the Node now; pods that start
// there later get it from their stage.
func (c *Cluster) markPods(ctx context.Context, node string, f Fault, value *string) error {
	pods, err := c.podsOn(ctx, node)
	if err != nil {
		return err
	}
	patch := metaPatch("annotations", faultPrefix+f.String(), value)
	var failed []error
	for _, pod := range pods {
		_, err := c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("patch pod %s/%s: %w", pod.Namespace, pod.Name, err))
		}
	}
	return errors.Join(failed...)
}

func metaPatch(field, key string, value *string) []byte {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{field: map[string]*string{key: value}}})
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return data
}

func ptr[T any](v T) *T { return &v }
