package playground

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The functions of this file compute what a kubelet would report. kwok's
// templates call them with the object as decoded JSON and print the answer as
// YAML. kwok's own tables would do for a healthy node, but they know neither
// pressure nor a condition that keeps its transition time.

// kubeletConditions are the conditions that the kubelet of node reports when
// its Ready is ready ("True" or "False"), with the pressures its fault
// annotations ask for. A condition whose status stays keeps its transition time.
func kubeletConditions(node any, ready string) (map[string]any, error) {
	var n corev1.Node
	if err := decode(node, &n); err != nil {
		return nil, err
	}
	under := func(f Fault) bool { return n.Annotations[faultPrefix+f.String()] != "" }
	now := metav1.NewTime(time.Now())
	list := []corev1.NodeCondition{
		pressure(corev1.NodeMemoryPressure, under(MemoryPressure), "KubeletHasSufficientMemory", "KubeletHasInsufficientMemory"),
		pressure(corev1.NodeDiskPressure, under(DiskPressure), "KubeletHasNoDiskPressure", "KubeletHasDiskPressure"),
		pressure(corev1.NodePIDPressure, under(PIDPressure), "KubeletHasSufficientPID", "KubeletHasInsufficientPID"),
		readyCondition(corev1.ConditionStatus(ready)),
	}
	for i := range list {
		list[i].LastHeartbeatTime, list[i].LastTransitionTime = now, now
		for _, old := range n.Status.Conditions {
			if old.Type == list[i].Type && old.Status == list[i].Status {
				list[i].LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	return map[string]any{"conditions": list}, nil
}

func pressure(kind corev1.NodeConditionType, on bool, fine, bad string) corev1.NodeCondition {
	if on {
		return corev1.NodeCondition{Type: kind, Status: corev1.ConditionTrue, Reason: bad,
			Message: "kubelet reports " + string(kind)}
	}
	return corev1.NodeCondition{Type: kind, Status: corev1.ConditionFalse, Reason: fine,
		Message: "kubelet reports no " + string(kind)}
}

func readyCondition(ready corev1.ConditionStatus) corev1.NodeCondition {
	if ready == corev1.ConditionTrue {
		return corev1.NodeCondition{Type: corev1.NodeReady, Status: ready, Reason: "KubeletReady",
			Message: "kubelet is posting ready status"}
	}
	return corev1.NodeCondition{Type: corev1.NodeReady, Status: ready, Reason: "KubeletNotReady",
		Message: "container runtime is down, PLEG is not healthy"}
}

// startedPod is the status of a pod whose kubelet has begun with it: running
// and ready, or waiting for an image when pulls fail on its Node.
func startedPod(pod any, fault func(node, fault string) bool) (map[string]any, error) {
	var p corev1.Pod
	if err := decode(pod, &p); err != nil {
		return nil, err
	}
	now := metav1.NewTime(time.Now())
	if p.Status.StartTime == nil {
		p.Status.StartTime = &now
	}
	if fault(p.Spec.NodeName, ImagePullFailing.String()) {
		return waitingPod(p, now), nil
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	return map[string]any{
		"phase":                 corev1.PodRunning,
		"startTime":             p.Status.StartTime,
		"conditions":            podConditions(now, corev1.ConditionTrue, "", corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady),
		"containerStatuses":     containerStatuses(p.Spec.Containers, true, running),
		"initContainerStatuses": initStatuses(p.Spec.InitContainers, now),
	}, nil
}

// waitingPod alternates between the error and the back-off, as a kubelet does.
func waitingPod(p corev1.Pod, now metav1.Time) map[string]any {
	reason := "ErrImagePull"
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Waiting != nil && s.State.Waiting.Reason == reason {
			reason = "ImagePullBackOff"
		}
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason,
		Message: "pulling image: dial tcp: i/o timeout"}}
	return map[string]any{
		"phase":             corev1.PodPending,
		"startTime":         p.Status.StartTime,
		"conditions":        podConditions(now, corev1.ConditionFalse, "ContainersNotReady", corev1.ContainersReady, corev1.PodReady),
		"containerStatuses": containerStatuses(p.Spec.Containers, false, waiting),
	}
}

// succeededPod is the status of a pod whose containers have ended with 0.
func succeededPod(pod any) (map[string]any, error) {
	var p corev1.Pod
	if err := decode(pod, &p); err != nil {
		return nil, err
	}
	now := metav1.NewTime(time.Now())
	done := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: now}}
	if p.Status.StartTime != nil {
		done.Terminated.StartedAt = *p.Status.StartTime
	}
	return map[string]any{
		"phase":             corev1.PodSucceeded,
		"conditions":        podConditions(now, corev1.ConditionFalse, "PodCompleted", corev1.ContainersReady, corev1.PodReady),
		"containerStatuses": containerStatuses(p.Spec.Containers, false, done),
	}, nil
}

// podConditions are patches of conditions: an empty reason is sent as null,
// which takes away the one that was there.
func podConditions(now metav1.Time, status corev1.ConditionStatus, reason string, kinds ...corev1.PodConditionType) []map[string]any {
	var list []map[string]any
	for _, kind := range kinds {
		condition := map[string]any{"type": kind, "status": status, "reason": nil, "message": nil, "lastTransitionTime": now}
		if reason != "" {
			condition["reason"] = reason
		}
		list = append(list, condition)
	}
	return list
}

func containerStatuses(containers []corev1.Container, ready bool, state corev1.ContainerState) []corev1.ContainerStatus {
	var list []corev1.ContainerStatus
	for _, c := range containers {
		started := state.Running != nil
		list = append(list, corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image,
			ContainerID: "", Ready: ready, Started: &started, State: state})
	}
	return list
}

// initStatuses are init containers that are done, and sidecars that run.
func initStatuses(containers []corev1.Container, now metav1.Time) []corev1.ContainerStatus {
	var list []corev1.ContainerStatus
	for _, c := range containers {
		state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}}
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		}
		list = append(list, containerStatuses([]corev1.Container{c}, true, state)...)
	}
	return list
}

// decode turns a template's argument into the typed object it came from.
func decode(from, into any) error {
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("decode %T: %w", into, err)
	}
	return nil
}
