package e2e

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
)

// store sorts what the cluster has stored by kind, for the judge and the client
// outside.
type store struct {
	node  func(*corev1.Node)
	pod   func(*corev1.Pod)
	slice func(*discoveryv1.EndpointSlice)
	pool  func(*v1alpha1.Pool)
	// gone is an object that is deleted: the prefix of its kind, its namespace if it
	// has one, and its name.
	gone func(kind, namespace, name string)
}

// Where kube-apiserver keeps what is watched.
const (
	keptNodes  = "/registry/minions/"
	keptPods   = "/registry/pods/"
	keptSlices = "/registry/endpointslices/"
	keptPools  = "/registry/tidemill.dev/pools/"
)

// tell hands on one change.
func (s *store) tell(c playground.Kept) error {
	for _, kind := range []string{keptNodes, keptPods, keptSlices, keptPools} {
		rest, ok := strings.CutPrefix(c.Key, kind)
		switch {
		case !ok:
		case c.Value == nil:
			namespace, name, spaced := strings.Cut(rest, "/")
			if !spaced {
				namespace, name = "", rest
			}
			s.gone(kind, namespace, name)
		case kind == keptPools:
			var p v1alpha1.Pool
			if err := yaml.Unmarshal(c.Value, &p); err != nil {
				return fmt.Errorf("decode %s: %w", c.Key, err)
			}
			s.pool(&p)
		default:
			return s.builtIn(c)
		}
	}
	return nil
}

func (s *store) builtIn(c playground.Kept) error {
	o, err := c.Object()
	switch o := o.(type) {
	case *corev1.Node:
		s.node(o)
	case *corev1.Pod:
		s.pod(o)
	case *discoveryv1.EndpointSlice:
		s.slice(o)
	}
	return err
}
