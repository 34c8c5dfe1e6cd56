package playground

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

// Kept is one object as kube-apiserver has put it into etcd.
type Kept struct {
	// Key is where: "/registry/pods/NAMESPACE/NAME", "/registry/minions/NAME" for
	// Nodes, "/registry/GROUP/RESOURCE/NAME" for a custom resource.
	Key string
	// Value is its encoding, nil when it was deleted.
	Value []byte
}

// Object decodes a built-in kind. Custom resources are JSON as they are.
func (s Kept) Object() (runtime.Object, error) {
	o, _, err := decoder.Decode(s.Value, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", s.Key, err)
	}
	return o, nil
}

var decoder = serializer.NewCodecFactory(scheme.Scheme).UniversalDeserializer()

// Follow tells what is stored, and from then on every change, in the order in
// which etcd took them and from one goroutine, until ctx ends (nil) or tell gives
// an error. It reads etcd itself, past the door: a restart of the API server
// blinds everybody else for seconds, but not who judges what they did then.
// ready is closed when everything that there is has been told.
func (c *Cluster) Follow(ctx context.Context, ready chan<- struct{}, tell func(Kept) error) error {
	client := v3client.New(c.etcd.Server)
	defer func() { _ = client.Close() }()
	all, err := client.Get(ctx, "/registry/", clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("read etcd: %w", err)
	}
	for _, kv := range all.Kvs {
		if err := tell(Kept{string(kv.Key), kv.Value}); err != nil {
			return err
		}
	}
	close(ready)
	for answer := range client.Watch(ctx, "/registry/", clientv3.WithPrefix(), clientv3.WithRev(all.Header.Revision+1)) {
		if err := answer.Err(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch etcd: %w", err)
		}
		for _, e := range answer.Events {
			change := Kept{Key: string(e.Kv.Key), Value: e.Kv.Value}
			if e.Type == clientv3.EventTypeDelete {
				change.Value = nil
			}
			if err := tell(change); err != nil {
				return err
			}
		}
	}
	return nil
}
