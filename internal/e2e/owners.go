package e2e

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/playground"
)

// templateHash is the one that all of a crowd's owners have in their names.
const templateHash = "5d4f8c7b6d"

// crowdOwners are the owners of a crowd's pods: pods whose owner is nowhere are
// garbage, and sixty thousand deletions are all that the cluster would be busy
// with. They are ReplicationControllers, the one kind of owner that nothing in a
// playground works for: a Deployment's controller that saw the owners before all
// of the pods would make pods of its own.
func crowdOwners(nodes, perNode int) []playground.Stored {
	replicas := map[string]int32{}
	for i := range nodes {
		for j := range perNode {
			replicas[appOf(i, j)]++
		}
	}
	var all []playground.Stored
	for app, n := range replicas {
		c := crowdOwner(app, n)
		all = append(all, playground.Stored{Path: "controllers/" + crowd + "/" + c.Name, Object: c})
	}
	return all
}

func crowdOwner(app string, n int32) *corev1.ReplicationController {
	labels, name := crowdLabels(app), app+"-"+templateHash
	return &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: crowd, UID: uid(name), Generation: 1, Labels: labels, CreationTimestamp: metav1.Now()},
		Spec:       corev1.ReplicationControllerSpec{Replicas: &n, Selector: labels, Template: crowdTemplate(app, labels)},
		Status:     corev1.ReplicationControllerStatus{ObservedGeneration: 1, Replicas: n, FullyLabeledReplicas: n, ReadyReplicas: n, AvailableReplicas: n},
	}
}

// crowdLabels are those of an app's pods.
func crowdLabels(app string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": app, "app.kubernetes.io/instance": app, "app.kubernetes.io/version": "1.2.3", "pod-template-hash": templateHash, "team": "blue",
	}
}

func crowdAnnotations(app string) map[string]string {
	return map[string]string{"checksum/config": digest(app), "prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
}

func crowdTemplate(app string, labels map[string]string) *corev1.PodTemplateSpec {
	spec := crowdSpec("", app, "unused")
	// What the API server adds to each pod is not in the template.
	spec.Volumes, spec.Containers[0].VolumeMounts = spec.Volumes[:1], spec.Containers[0].VolumeMounts[:1]
	spec.Tolerations, spec.Priority, spec.EnableServiceLinks = nil, nil, nil
	return &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: crowdAnnotations(app)}, Spec: spec}
}
