package lean

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Read is whether decisions read an annotation of a pod.
func Read(annotation string) bool {
	for _, prefix := range read {
		if strings.HasPrefix(annotation, prefix) {
			return true
		}
	}
	return false
}

var read = []string{
	"tidemill.dev/", "cluster-autoscaler.kubernetes.io/", "cluster-autoscaler.k8s.io/", "autoscaling.x-k8s.io/",
	corev1.MirrorPodAnnotationKey, "scheduling.", "pod-group.scheduling.", "kueue.x-k8s.io/",
}

func annotations(pod *corev1.Pod) {
	for key := range pod.Annotations {
		if !Read(key) {
			delete(pod.Annotations, key)
		}
	}
	if len(pod.Annotations) == 0 {
		pod.Annotations = nil
	}
}

// spec keeps how the pod is scheduled and how it ends, and drops what it runs.
func spec(s *corev1.PodSpec) {
	s.Containers, s.InitContainers, s.EphemeralContainers = containers(s.Containers), containers(s.InitContainers), nil
	s.Volumes = volumes(s.Volumes)
	s.ServiceAccountName, s.DeprecatedServiceAccount, s.AutomountServiceAccountToken = "", "", nil
	s.SecurityContext, s.ImagePullSecrets, s.EnableServiceLinks, s.ReadinessGates = nil, nil, nil, nil
	s.Hostname, s.Subdomain, s.SetHostnameAsFQDN, s.HostAliases, s.DNSPolicy, s.DNSConfig = "", "", nil, nil, "", nil
	s.ShareProcessNamespace = nil
}

// containers keep names, which statuses refer to, what they take and the ports
// of the host. The policy of restarts makes a sidecar of an init container.
func containers(list []corev1.Container) []corev1.Container {
	if len(list) == 0 {
		return nil
	}
	out := make([]corev1.Container, len(list))
	for i := range list {
		c := &list[i]
		out[i] = corev1.Container{Name: c.Name, Resources: c.Resources, ResizePolicy: c.ResizePolicy, RestartPolicy: c.RestartPolicy, RestartPolicyRules: c.RestartPolicyRules}
		for _, p := range c.Ports {
			if p.HostPort > 0 {
				out[i].Ports = append(out[i].Ports, p)
			}
		}
	}
	return out
}

// volumes drop those that are made anew on any node: no plugin of the scheduler
// and no drain asks for them, and the token that each pod has is named by
// chance.
func volumes(list []corev1.Volume) []corev1.Volume {
	var out []corev1.Volume
	for _, v := range list {
		if v.ConfigMap == nil && v.Secret == nil && v.Projected == nil && v.DownwardAPI == nil {
			out = append(out, v)
		}
	}
	return out
}

// status keeps what is not as it should be. Of a pod that runs nobody asks since
// when; of one that has ended or has yet to start its dates are read.
func status(s *corev1.PodStatus) {
	running := s.Phase == corev1.PodRunning
	s.HostIP, s.HostIPs, s.PodIP, s.PodIPs, s.EphemeralContainerStatuses = "", nil, "", nil, nil
	if running {
		s.StartTime = nil
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.LastProbeTime = metav1.Time{}
		if running && c.Status == corev1.ConditionTrue {
			c.LastTransitionTime = metav1.Time{}
		}
	}
	containerStatuses(s.ContainerStatuses)
	containerStatuses(s.InitContainerStatuses)
}

// containerStatuses keep what a container waits for or that it runs, of which
// image, and what it was given.
func containerStatuses(list []corev1.ContainerStatus) {
	for i := range list {
		c := &list[i]
		kept := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Resources: c.Resources, AllocatedResources: c.AllocatedResources}
		switch {
		case c.State.Waiting != nil:
			kept.State.Waiting = &corev1.ContainerStateWaiting{Reason: c.State.Waiting.Reason}
		case c.State.Running != nil:
			kept.State.Running = &corev1.ContainerStateRunning{}
		case c.State.Terminated != nil:
			kept.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: c.State.Terminated.ExitCode, Reason: c.State.Terminated.Reason}
		}
		list[i] = kept
	}
}
