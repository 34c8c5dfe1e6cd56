package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// store reads what the cluster has stored from etcd itself: a watch that no
// restart of the API server interrupts and no slow road delays, so that the
// referee sees every change and in order, also in the seconds in which everybody
// else is blind.
type store struct {
	client *clientv3.Client
	decode runtime.Decoder

	node  func(*corev1.Node)
	pod   func(*corev1.Pod)
	slice func(*discoveryv1.EndpointSlice)
	pool  func(*v1alpha1.Pool)
	// gone is an object that is deleted: its kind's part of the key ("minions",
	// "pods"), its namespace if it has one, and its name.
	gone func(kind, namespace, name string)
}

// Where kube-apiserver keeps what is watched.
var prefixes = []string{"/registry/minions/", "/registry/pods/", "/registry/endpointslices/", "/registry/tidemill.dev/pools/"}

func newStore(address string) (*store, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("dial etcd: %w", err)
	}
	return &store{client: c, decode: serializer.NewCodecFactory(scheme.Scheme).UniversalDeserializer()}, nil
}

// follow tells what there is, and then every change until ctx ends. All calls
// come from one goroutine. The error is nil when ctx has ended.
func (s *store) follow(ctx context.Context, ready chan<- struct{}) error {
	defer func() { _ = s.client.Close() }()
	first, err := s.client.Get(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("read etcd: %w", err)
	}
	at := first.Header.Revision
	for _, prefix := range prefixes {
		all, err := s.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(at))
		if err != nil {
			return fmt.Errorf("read %s: %w", prefix, err)
		}
		for _, kv := range all.Kvs {
			if err := s.tell(string(kv.Key), kv.Value); err != nil {
				return err
			}
		}
	}
	close(ready)
	// One watch over everything keeps the order among kinds.
	for answer := range s.client.Watch(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithRev(at+1)) {
		if err := answer.Err(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch etcd: %w", err)
		}
		for _, e := range answer.Events {
			key := string(e.Kv.Key)
			if e.Type == clientv3.EventTypeDelete {
				s.lose(key)
			} else if err := s.tell(key, e.Kv.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *store) tell(key string, value []byte) error {
	if strings.HasPrefix(key, prefixes[3]) {
		var p v1alpha1.Pool
		if err := yaml.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("decode %s: %w", key, err)
		}
		s.pool(&p)
		return nil
	}
	if !strings.HasPrefix(key, prefixes[0]) && !strings.HasPrefix(key, prefixes[1]) && !strings.HasPrefix(key, prefixes[2]) {
		return nil
	}
	o, _, err := s.decode.Decode(value, nil, nil)
	if err != nil {
		return fmt.Errorf("decode %s: %w", key, err)
	}
	switch o := o.(type) {
	case *corev1.Node:
		s.node(o)
	case *corev1.Pod:
		s.pod(o)
	case *discoveryv1.EndpointSlice:
		s.slice(o)
	}
	return nil
}

func (s *store) lose(key string) {
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			parts := strings.Split(rest, "/")
			space := ""
			if len(parts) > 1 {
				space = parts[0]
			}
			s.gone(strings.Split(strings.Trim(prefix, "/"), "/")[strings.Count(prefix, "/")-2], space, parts[len(parts)-1])
		}
	}
}
