package deep

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// RunningImage is the image of the daemon that runs in a namespace: what it
// examines with is then what it was deployed with, and every cluster that pulls
// the one can pull the other.
func RunningImage(ctx context.Context, c kubernetes.Interface, namespace string) (string, error) {
	d, err := c.AppsV1().Deployments(namespace).Get(ctx, "tidemill", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("find the daemon's image: there is no Deployment tidemill in %s", namespace)
	case err != nil:
		return "", fmt.Errorf("find the daemon's image: %w", err)
	}
	for _, k := range d.Spec.Template.Spec.Containers {
		if k.Name == "tidemill" {
			return k.Image, nil
		}
	}
	return "", errors.New("find the daemon's image: its Deployment has no container tidemill")
}

// Nodes reads the named nodes, and gives the names that are none.
func Nodes(ctx context.Context, c kubernetes.Interface, names []string) (found []*corev1.Node, none []string, err error) {
	for _, name := range names {
		n, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			none = append(none, name)
		case err != nil:
			return nil, nil, fmt.Errorf("read node %s: %w", name, err)
		default:
			found = append(found, n)
		}
	}
	return found, none, nil
}
