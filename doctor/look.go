package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
)

// Look is everything that checks over the API read: the snapshot, what it does
// not carry, and what only the fleet as a whole can tell.
type Look struct {
	Snapshot *world.Snapshot
	// Leases are the kubelets' last renewals by Node name; LeasesErr is why there
	// are none.
	Leases    map[string]time.Time
	LeasesErr error
	// Unseen is what a one-shot look could not read; nil in the daemon, where a look
	// is whole or none.
	Unseen Unseen
	// Plans are what the cloud has announced for machines.
	Plans Plans
	// Consoles are by patients' names, and only of those that were asked for.
	Consoles map[string]Console
	// Kubelets are what kubelets said themselves, by Node name; nil when none was
	// asked.
	Kubelets map[string]*KubeletView
	// PodNetworks are OKE's objects about addresses of pods; nil when nobody asked.
	PodNetworks *PodNetworks
	// Subnets are where the pools' machines and pods get their addresses; nil when
	// nobody asked.
	Subnets Subnets
	// History is what earlier looks saw; nil in a one-shot examination.
	History *History

	// pulls and starts say on which nodes an image, or an owner's pods, fail
	// and on which they work.
	pulls  map[string]*spread
	starts map[types.UID]*spread
	// told is what most kubelets of each pool and version are told, made when it is
	// first asked for.
	told sync.Once
	main map[string]norm
	// norms are what most nodes of each pool and version are like.
	norms map[string]norm
}

// spread is where something fails and where it works.
type spread struct{ failing, working map[string]bool }

// elsewhere is whether it works on a node other than this.
func (s *spread) elsewhere(node string) bool {
	return len(s.working) > 1 || len(s.working) == 1 && !s.working[node]
}

// NewLook puts a look together. It is pure but for the history, which learns.
func NewLook(s *world.Snapshot, leases map[string]time.Time, leasesErr error, h *History) *Look {
	l := &Look{Snapshot: s, Leases: leases, LeasesErr: leasesErr, History: h,
		pulls: map[string]*spread{}, starts: map[types.UID]*spread{}, norms: norms(s)}
	nodes := registeredNodes(s)
	// Two passes: what fails anywhere is little, and only that is counted where
	// it works.
	for _, n := range nodes {
		for _, pod := range n.Pods {
			for _, image := range failingImages(pod) {
				add(l.pulls, image).failing[n.Object.Name] = true
			}
			if stuckStarting(pod, s.Now) {
				add(l.starts, ownerOf(pod)).failing[n.Object.Name] = true
			}
		}
	}
	for _, n := range nodes {
		for _, pod := range n.Pods {
			l.noteWorking(n.Object.Name, pod)
		}
	}
	h.note(nodes, l)
	return l
}

func (l *Look) noteWorking(node string, pod *corev1.Pod) {
	for _, c := range pod.Status.ContainerStatuses {
		if s := l.pulls[c.Image]; s != nil && c.State.Running != nil {
			s.working[node] = true
		}
	}
	if s := l.starts[ownerOf(pod)]; s != nil && pod.Status.Phase == corev1.PodRunning {
		s.working[node] = true
	}
}

func add[K comparable](m map[K]*spread, k K) *spread {
	if m[k] == nil {
		m[k] = &spread{failing: map[string]bool{}, working: map[string]bool{}}
	}
	return m[k]
}

// ownerOf is the pod's controller, or the pod itself.
func ownerOf(pod *corev1.Pod) types.UID {
	if ref := metav1.GetControllerOf(pod); ref != nil {
		return ref.UID
	}
	return pod.UID
}

func registeredNodes(s *world.Snapshot) []*world.Node {
	var out []*world.Node
	for _, pool := range s.Pools {
		for _, n := range pool.Nodes {
			if n.Object != nil {
				out = append(out, n)
			}
		}
	}
	return append(out, s.Unmanaged...)
}

// ReadLeases reads the kubelets' leases. A live reader is answered from the API
// server's own cache: 2,000 leases that change every 10 s are cheaper to list
// now and then than to watch.
func ReadLeases(ctx context.Context, r client.Reader) (map[string]time.Time, error) {
	var list coordinationv1.LeaseList
	err := r.List(ctx, &list, client.InNamespace(corev1.NamespaceNodeLease),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
	if err != nil {
		return nil, fmt.Errorf("list leases in %s: %w", corev1.NamespaceNodeLease, err)
	}
	out := make(map[string]time.Time, len(list.Items))
	for _, l := range list.Items {
		if l.Spec.RenewTime != nil {
			out[l.Name] = l.Spec.RenewTime.Time
		}
	}
	return out, nil
}
