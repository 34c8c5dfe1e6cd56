package deep

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Sweep deletes the pods that visits before now have left behind, and says how
// many. A pod of a visit that still goes on is not touched: its annotation says
// until when it may live.
func Sweep(ctx context.Context, c kubernetes.Interface, namespace string, now time.Time) (int, error) {
	list, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labelVisit + "=" + visitValue})
	if err != nil {
		return 0, fmt.Errorf("sweep pods of earlier visits in %s: %w", namespace, err)
	}
	swept := 0
	for i := range list.Items {
		p := &list.Items[i]
		if !expired(p, now) {
			continue
		}
		err := c.CoreV1().Pods(namespace).Delete(ctx, p.Name, *metav1.NewPreconditionDeleteOptions(string(p.UID)))
		if err != nil && !apierrors.IsNotFound(err) {
			return swept, fmt.Errorf("sweep pod %s of an earlier visit: %w", p.Name, err)
		}
		swept++
	}
	return swept, nil
}

// longest is the age at which a pod without a readable date is swept; no visit
// takes as long.
const longest = time.Hour

func expired(p *corev1.Pod, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, p.Annotations[annotationExpires])
	if err != nil {
		return now.Sub(p.CreationTimestamp.Time) > longest
	}
	return now.After(at)
}

// virtual is whether the node is one of a virtual node pool: OKE runs its pods
// and there is no machine to look into.
func virtual(n *corev1.Node) bool {
	_, labelled := n.Labels["node-role.kubernetes.io/virtual-node"]
	return labelled || strings.Contains(n.Spec.ProviderID, "virtualnode")
}
