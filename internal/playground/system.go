package playground

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

//go:embed system.yaml
var systemManifests []byte

// installSystem creates what OKE runs in kube-system of every cluster. Its
// DaemonSets are overhead that a new node has before the first pod of the user.
func (c *Cluster) installSystem(ctx context.Context) error {
	objects, err := parseManifests(systemManifests)
	if err != nil {
		return fmt.Errorf("parse system workloads: %w", err)
	}
	for _, object := range objects {
		if err := c.create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create system workload: %w", err)
		}
	}
	return nil
}

func parseManifests(data []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

func (c *Cluster) create(ctx context.Context, object runtime.Object) (err error) {
	options := metav1.CreateOptions{}
	switch o := object.(type) {
	case *appsv1.DaemonSet:
		_, err = c.client.AppsV1().DaemonSets(o.Namespace).Create(ctx, o, options)
	case *appsv1.Deployment:
		_, err = c.client.AppsV1().Deployments(o.Namespace).Create(ctx, o, options)
	case *corev1.Service:
		_, err = c.client.CoreV1().Services(o.Namespace).Create(ctx, o, options)
	default:
		err = fmt.Errorf("no client for %T", object)
	}
	return err
}
