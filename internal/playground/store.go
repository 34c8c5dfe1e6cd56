package playground

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// perBatch objects are written side by side, so that etcd syncs once for many.
const perBatch = 128

// Store writes objects straight into etcd, in the bytes that the API server
// would have written: it and everybody who watches it see them come. Nobody has
// admitted or checked them, which is why a hundred thousand are a matter of
// minutes. What stands at a path already is replaced.
//
// Each has a revision of its own, as all that an API server writes has: of several
// objects with one revision a watcher may take the first for all of them.
//
// It writes no faster than the API server takes up what it wrote: a watcher of etcd
// that has fallen behind gets what it has missed in ever larger portions, and
// stays behind for minutes.
func (c *Cluster) Store(ctx context.Context, objects ...Stored) error {
	etcd := v3client.New(c.etcd.Server)
	codec := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	for len(objects) > 0 {
		batch := objects[:min(perBatch, len(objects))]
		objects = objects[len(batch):]
		revisions, errs := make([]int64, len(batch)), make([]error, len(batch))
		var writes sync.WaitGroup
		for i, o := range batch {
			writes.Go(func() { revisions[i], errs[i] = put(ctx, etcd, codec, o) })
		}
		writes.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		last := 0
		for i, r := range revisions {
			if r > revisions[last] {
				last = i
			}
		}
		if err := c.takenUp(ctx, batch[last], revisions[last]); err != nil {
			return err
		}
	}
	return nil
}

// put writes one object, and returns the revision that it has by that.
func put(ctx context.Context, etcd *clientv3.Client, codec runtime.Encoder, o Stored) (int64, error) {
	kind, err := apiutil.GVKForObject(o.Object, scheme.Scheme)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", o.Path, err)
	}
	o.Object.GetObjectKind().SetGroupVersionKind(kind)
	var b bytes.Buffer
	if err := codec.Encode(o.Object, &b); err != nil {
		return 0, fmt.Errorf("store %s: %w", o.Path, err)
	}
	done, err := etcd.Put(ctx, "/registry/"+o.Path, b.String())
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", o.Path, err)
	}
	return done.Header.Revision, nil
}

// takenUp waits until the API server knows the revision at which the object was
// stored.
func (c *Cluster) takenUp(ctx context.Context, o Stored, revision int64) error {
	path, err := servedAt(o)
	if err != nil {
		return err
	}
	for begin := time.Now(); ; {
		// It waits for three seconds itself, and then says so.
		err := c.client.RESTClient().Get().AbsPath(path).Param("resourceVersion", strconv.FormatInt(revision, 10)).Do(ctx).Error()
		switch {
		case err == nil:
			return nil
		case apierrors.IsNotFound(err):
			time.Sleep(5 * time.Millisecond)
		case !apierrors.IsTimeout(err):
			return fmt.Errorf("wait until %s at revision %d is served: %w", o.Path, revision, err)
		}
		if time.Since(begin) > time.Minute {
			return fmt.Errorf("wait until %s at revision %d is served: %w", o.Path, revision, err)
		}
	}
}

// served are the resources that are stored under another name than they are served.
var served = map[string]string{"minions": "nodes", "controllers": "replicationcontrollers"}

// servedAt is where the API server serves what is stored at a path.
func servedAt(o Stored) (string, error) {
	kind, err := apiutil.GVKForObject(o.Object, scheme.Scheme)
	if err != nil {
		return "", fmt.Errorf("store %s: %w", o.Path, err)
	}
	api := "/apis/" + kind.Group + "/" + kind.Version
	if kind.Group == "" {
		api = "/api/" + kind.Version
	}
	parts := strings.Split(o.Path, "/")
	resource, name := cmp.Or(served[parts[0]], parts[0]), parts[len(parts)-1]
	if len(parts) == 2 {
		return api + "/" + resource + "/" + name, nil
	}
	return api + "/namespaces/" + parts[1] + "/" + resource + "/" + name, nil
}

// Registered is the Node that an instance becomes, Ready, with no kubelet behind
// it: whoever stores it keeps its lease alive.
func Registered(i okesim.Instance) *corev1.Node {
	n := nodeOf(i)
	n.Labels[kubeletLabel] = kubeletNone
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
