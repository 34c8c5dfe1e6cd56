package playground

import (
	"bytes"
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/tidemill/tidemill/internal/okesim"
)

// Stored is an object and where the API server keeps it, below /registry/:
// "pods/shop/web-1", "minions/10.0.0.7".
type Stored struct {
	Path   string
	Object runtime.Object
}

// perTransaction is how much etcd takes at once by default.
const perTransaction = 128

// Store writes objects straight into etcd, in the bytes that the API server
// would have written: it and everybody who watches it see them come. Nobody has
// admitted or checked them, which is why a hundred thousand are a matter of
// seconds. What stands at a path already is replaced.
func (c *Cluster) Store(ctx context.Context, objects ...Stored) error {
	etcd := v3client.New(c.etcd.Server)
	codec := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	for len(objects) > 0 {
		batch := objects[:min(perTransaction, len(objects))]
		objects = objects[len(batch):]
		var puts []clientv3.Op
		for _, o := range batch {
			kind, err := apiutil.GVKForObject(o.Object, scheme.Scheme)
			if err != nil {
				return fmt.Errorf("store %s: %w", o.Path, err)
			}
			o.Object.GetObjectKind().SetGroupVersionKind(kind)
			var b bytes.Buffer
			if err := codec.Encode(o.Object, &b); err != nil {
				return fmt.Errorf("store %s: %w", o.Path, err)
			}
			puts = append(puts, clientv3.OpPut("/registry/"+o.Path, b.String()))
		}
		if _, err := etcd.Txn(ctx).Then(puts...).Commit(); err != nil {
			return fmt.Errorf("store %s and what follows: %w", batch[0].Path, err)
		}
	}
	return nil
}

// Registered is the Node that an instance becomes, Ready, with no kubelet behind
// it: whoever stores it keeps its lease alive.
func Registered(i okesim.Instance) *corev1.Node {
	n := nodeOf(i)
	delete(n.Labels, kubeletLabel)
	now := metav1.Now()
	n.CreationTimestamp = now
	n.Status.Conditions = []corev1.NodeCondition{
		pressure(corev1.NodeMemoryPressure, false, "KubeletHasSufficientMemory", ""),
		pressure(corev1.NodeDiskPressure, false, "KubeletHasNoDiskPressure", ""),
		pressure(corev1.NodePIDPressure, false, "KubeletHasSufficientPID", ""),
		readyCondition(corev1.ConditionTrue),
	}
	for k := range n.Status.Conditions {
		n.Status.Conditions[k].LastHeartbeatTime, n.Status.Conditions[k].LastTransitionTime = now, now
	}
	return n
}

// OnlyKubelets is a node selector of Nodes that have a kubelet.
func OnlyKubelets() map[string]string { return map[string]string{kubeletLabel: kubeletRunning} }
