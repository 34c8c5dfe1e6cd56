package playground

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/tidemill/tidemill/internal/okesim"
)

// Options configure [Start]. The zero value is the demo's cluster in a
// temporary directory, silent.
type Options struct {
	// Dir holds everything that the cluster writes: etcd's data, certificates,
	// kubeconfigs, the OCI config, the log. Empty means a temporary directory
	// that [Cluster.Stop] removes. A directory of the user's is kept, and must
	// be empty or absent so that no two clusters mix.
	Dir string
	// Name is the OKE cluster's name. Default "playground".
	Name string
	// Log receives the components' log (klog, kwok). Default: the file
	// playground.log in Dir. Nothing is ever written to the terminal.
	Log io.Writer
	// Verbose logs what the controllers do (klog level 2), not only what goes wrong.
	Verbose bool

	// EtcdDoor puts a [Door] between the API server and etcd, see [Cluster.EtcdDoor].
	EtcdDoor bool

	// Audit, if set, makes the API server record who asked for what.
	Audit *Audit

	// Pools are the node pools to begin with; nil means [DemoPools], an empty
	// slice none. ClusterID and CompartmentID are filled in.
	Pools []okesim.Pool
	// Cloud are the emulated cloud's switches. Latency (if not zero) and
	// OnEvent in it are replaced.
	Cloud okesim.Options
	// Latency is how long the cloud takes to make and end an instance.
	Latency okesim.Latency
	// KubernetesVersion is the version that OKE states for the control plane.
	// Default: the version of the kube-apiserver that really runs, see
	// [ControlPlaneVersion], so that version skew means the same to OKE's API
	// and to Kubernetes.
	KubernetesVersion string

	// BootDelay is the time from a Node's registration to Ready. Default 1 s.
	BootDelay time.Duration
	// NodeMonitorGrace is how long a Node may be silent before the node
	// lifecycle controller calls it NotReady. Kubernetes' default is 50 s; here
	// it is 8 s so that a story about a dead kubelet fits in a demo.
	NodeMonitorGrace time.Duration
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "playground"
	}
	if o.KubernetesVersion == "" {
		o.KubernetesVersion = ControlPlaneVersion()
	}
	if o.BootDelay == 0 {
		o.BootDelay = time.Second
	}
	if o.NodeMonitorGrace == 0 {
		o.NodeMonitorGrace = 8 * time.Second
	}
	if o.Latency != (okesim.Latency{}) {
		o.Cloud.Latency = o.Latency
	}
	return o
}

// makeDir creates the cluster's directory and says whether it is ours to remove.
func (o Options) makeDir() (dir string, ours bool, err error) {
	if o.Dir == "" {
		dir, err = os.MkdirTemp("", DirPrefix)
		return dir, true, err
	}
	dir, err = filepath.Abs(o.Dir)
	if err != nil {
		return "", false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("create directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("directory %s is not empty\nhint: give an empty or new one; what an earlier playground left there can be removed", dir)
	}
	return dir, false, err
}

// DirPrefix begins the name of every temporary directory of a playground.
const DirPrefix = "tidemill-playground-"

// ControlPlaneVersion is the version of the Kubernetes code linked into this
// program, "v1.36.3": what the playground's kube-apiserver is, and what its
// /version answers. A release build learns it from linker flags that a library
// does not get, so it is read from the module list of the binary.
func ControlPlaneVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return linkedKubernetes
	}
	for _, dep := range info.Deps {
		if dep.Path == "k8s.io/kubernetes" {
			return dep.Version
		}
	}
	return linkedKubernetes
}

// linkedKubernetes is go.mod's version, for binaries without a module list
// (some builds of tests); a test keeps the two equal.
const linkedKubernetes = "v1.36.3"
