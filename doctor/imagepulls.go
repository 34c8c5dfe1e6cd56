package doctor

import (
	"context"
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var pullLimits = Limits{Warn: 1, Fail: 3,
	Source: "three different images that run on other nodes: one is an image's fault, three are the node's"}

var imagePulls = Check{
	ID:       "image-pulls",
	Title:    "images can be pulled here",
	Unit:     "images",
	Limits:   pullLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "check the image's name and pull secret; if only this node fails, its route to the registry, its DNS and its disk",
	// A new machine in the same subnet would have the same route.
	Action: ActionNone,
	// A pull is retried with back-off; one bad minute of a registry is no fault.
	Confirm: 3 * time.Minute,
	Applies: working,
	Run: func(_ context.Context, p Patient) Finding {
		failing := map[string]bool{}
		for _, pod := range p.Node.Pods {
			for _, image := range failingImages(pod) {
				failing[image] = true
			}
		}
		if len(failing) == 0 {
			return pass("0 images")
		}
		var names []string
		own := 0
		for image := range failing {
			names = append(names, image)
			if p.Look.pulls[image].elsewhere(p.Node.Object.Name) {
				own++
			}
		}
		sort.Strings(names)
		f := Finding{State: Warn, Reason: "ImagePullFailing", Observed: quantity(float64(len(names)), "images"),
			Message: "cannot pull " + some(names)}
		if judge(pullLimits, float64(own)) == Fail {
			f.State, f.Reason = Fail, "ImagesRunElsewhere"
			f.Message += fmt.Sprintf("; %d of them run on other nodes", own)
		}
		return f
	},
}

// failingImages are the images that the kubelet tries to pull for the pod and
// cannot.
func failingImages(pod *corev1.Pod) []string {
	if pod.Status.Phase != corev1.PodPending && pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	var out []string
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range list {
			if c.State.Waiting == nil {
				continue
			}
			switch c.State.Waiting.Reason {
			case "ImagePullBackOff", "ErrImagePull", "RegistryUnavailable", "ImageInspectError":
				out = append(out, c.Image)
			}
		}
	}
	return out
}
