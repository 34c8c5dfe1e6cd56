package doctor

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Policy are the numbers that do not belong to one check or one pool. A zero
// field means its default.
type Policy struct {
	// BootGrace is how long a new node may be neither Ready nor complete before
	// that is a failure. Default 20m, the time after which OKE itself calls a VM
	// node lost; BootGraceMetal the same for bare metal, 60m.
	BootGrace, BootGraceMetal time.Duration
	// Heartbeat is how old the verdict on a Node may get before it is written
	// again unchanged. Default 5m, as the kubelet does with its own conditions.
	Heartbeat time.Duration
	// CheckTimeout is how long one check may take on one patient. Default 5s.
	CheckTimeout time.Duration
	// HostFresh is how old what a host says of itself may be before it counts for
	// nothing. Default 15m: three of the agent's heartbeats.
	HostFresh time.Duration
	// ClusterParallel is how many nodes of the cluster may be in repair at once.
	// Default 2: unreleased code of Oracle's for OKE allows 1, EKS any share.
	ClusterParallel int
	// BlindLooks and BlindWindow are how many looks, within which time, may fail
	// to see the cluster before our own view is taken for broken. Defaults 3 and
	// 10m; machine-controller-manager freezes after 30 s without an API server.
	BlindLooks  int
	BlindWindow time.Duration
	// Infancy is the age below which a new node that fails as the one it replaced
	// did shows that replacement does not help. Default 1h.
	Infancy time.Duration
}

func (p Policy) withDefaults() Policy {
	p.BootGrace = or(p.BootGrace, 20*time.Minute)
	p.BootGraceMetal = or(p.BootGraceMetal, 60*time.Minute)
	p.Heartbeat = or(p.Heartbeat, 5*time.Minute)
	p.CheckTimeout = or(p.CheckTimeout, 5*time.Second)
	p.HostFresh = or(p.HostFresh, 15*time.Minute)
	p.ClusterParallel = or(p.ClusterParallel, 2)
	p.BlindLooks = or(p.BlindLooks, 3)
	p.BlindWindow = or(p.BlindWindow, 10*time.Minute)
	p.Infancy = or(p.Infancy, time.Hour)
	return p
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// limits are a pool's repair spec with every default filled in. Where each
// default comes from stands beside it.
type limits struct {
	on                             bool
	after, young, settle, cooldown time.Duration
	actions                        map[kube.RepairAction]bool
	keepHost                       bool // the machine is worth an attempt more
	attempts, parallel             int
	maxBroken                      intstr.IntOrString
	inCluster, inZone              int // percent
	sameFault, notJoining          int
	window, hold                   time.Duration
}

// limitsOf reads the spec of a pool that has one.
func limitsOf(pool *world.Pool) limits {
	spec := pool.RepairSpec()
	brake := spec.Brake
	if brake == nil {
		brake = &v1alpha1.BrakeSpec{}
	}
	young := 20 * time.Minute // OKE calls a VM node that has not joined by then lost
	settle := 5 * time.Minute // ours; a virtual machine boots in two
	if slowToStart(pool.Cloud.Shape) {
		young = time.Hour         // NVSentinel's and Karpenter's OCI provider's hour for launch with drivers
		settle = 20 * time.Minute // the reboot time-out of Oracle's unreleased repairer, which is for bare metal
	}
	l := limits{
		on:         spec.Mode == v1alpha1.RepairOn,
		after:      duration(spec.After, 10*time.Minute), // GKE, AKS, machine-controller-manager
		young:      duration(spec.Young, young),
		settle:     duration(spec.Settle, settle),
		cooldown:   duration(spec.Cooldown, time.Hour),   // the same repairer
		attempts:   number(spec.MaxAttempts, 3),          // the same, and AKS' three rounds
		parallel:   number(spec.MaxParallel, 1),          // machine-controller-manager
		maxBroken:  intstr.FromString("20%"),             // Karpenter, EKS
		inCluster:  number(brake.MaxBrokenInCluster, 10), // ours: half the share of a pool
		inZone:     number(brake.MaxBrokenInZone, 55),    // kube-controller-manager --unhealthy-zone-threshold
		sameFault:  number(brake.SameFault, 3),           // ours, after Huawei's limit per identical fault
		window:     duration(brake.Window, 10*time.Minute),
		notJoining: number(brake.NotJoining, 2),          // ours: one machine may be a lemon
		hold:       duration(brake.Hold, 30*time.Minute), // ours; NVSentinel's holds until a person resets it
		actions:    map[kube.RepairAction]bool{},
		keepHost:   slowToStart(pool.Cloud.Shape),
	}
	if spec.MaxBroken != nil {
		l.maxBroken = *spec.MaxBroken
	}
	for action, name := range actionNames {
		l.actions[action] = len(spec.Actions) == 0
		for _, allowed := range spec.Actions {
			l.actions[action] = l.actions[action] || allowed == name
		}
	}
	return l
}

// actionNames are the actions as the Pool spells them.
var actionNames = map[kube.RepairAction]v1alpha1.RepairAction{
	kube.RepairReboot:            v1alpha1.ActionReboot,
	kube.RepairReplaceBootVolume: v1alpha1.ActionReplaceBootVolume,
	kube.RepairReplace:           v1alpha1.ActionReplace,
}

// slowToStart is whether nodes of the shape check their memory at length or
// install drivers before they are of use.
func slowToStart(shape string) bool {
	return strings.HasPrefix(shape, "BM.") || strings.Contains(shape, "GPU")
}

func duration(d *metav1.Duration, fallback time.Duration) time.Duration {
	if d == nil {
		return fallback
	}
	return d.Duration
}

func number(n *int32, fallback int) int {
	if n == nil {
		return fallback
	}
	return int(*n)
}
