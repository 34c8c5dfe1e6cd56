package fit

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodeaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodename"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodeports"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodeunschedulable"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/tainttoleration"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumerestrictions"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumezone"

	"github.com/tidemill/tidemill/internal/world"
)

// order is the scheduler's default profile as far as it filters, in its order:
// the first plugin that refuses gives the reason, so that ours reads like the
// scheduler's.
var order = []struct {
	name string
	make func(context.Context, runtime.Object, fwk.Handle, feature.Features) (fwk.Plugin, error)
	args runtime.Object
}{
	// spec.unschedulable, unless tolerated.
	{nodeunschedulable.Name, nodeunschedulable.New, nil},
	// spec.nodeName.
	{nodename.Name, nodename.New, nil},
	{tainttoleration.Name, tainttoleration.New, nil},
	// nodeSelector and node affinity.
	{nodeaffinity.Name, nodeaffinity.New, &config.NodeAffinityArgs{}},
	// Host ports.
	{nodeports.Name, nodeports.New, nil},
	// CPU, memory, ephemeral storage, extended resources, the number of pods.
	{noderesources.Name, noderesources.NewFit, &config.NodeResourcesFitArgs{ScoringStrategy: &config.ScoringStrategy{
		Type: config.LeastAllocated, Resources: []config.ResourceSpec{{Name: "cpu", Weight: 1}, {Name: "memory", Weight: 1}},
	}}},
	// ReadWriteOncePod, and disks that only one node may mount.
	{volumerestrictions.Name, volumerestrictions.New, nil},
	// Attachable volumes per node and driver.
	{nodevolumelimits.CSIName, nodevolumelimits.NewCSI, nil},
	// Bound volumes' node affinity, and whether unbound claims can be bound.
	{volumebinding.Name, volumebinding.New, &config.VolumeBindingArgs{BindTimeoutSeconds: 600}},
	{volumezone.Name, volumezone.New, nil},
	// The scheduler's built-in default constraints are ScheduleAnyway: they
	// score and never filter, so the list of those that filter is empty.
	{podtopologyspread.Name, podtopologyspread.New, &config.PodTopologySpreadArgs{DefaultingType: config.ListDefaulting}},
	{interpodaffinity.Name, interpodaffinity.New, &config.InterPodAffinityArgs{HardPodAffinityWeight: 1}},
	// Claims on devices, and extended resources that devices stand behind.
	{dynamicresources.Name, dynamicresources.New, deviceArgs()},
}

// plugins are the list above, set up on one stand.
type plugins struct {
	pre    []fwk.PreFilterPlugin
	filter []fwk.FilterPlugin
	// extended is whether devices may stand behind extended resources.
	extended bool
}

func newPlugins(on stand, s *world.Snapshot) (plugins, error) {
	factory, err := stocked(s)
	if err != nil {
		return plugins{}, err
	}
	h := handle{on: on, factory: factory}
	features := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	features.EnableDRAExtendedResource = features.EnableDRAExtendedResource && !before(s.ControlPlane, firstExtendedByDevices)
	out := plugins{extended: features.EnableDRAExtendedResource}
	for _, o := range order {
		p, err := o.make(context.Background(), o.args, h, features)
		if err != nil {
			return plugins{}, fmt.Errorf("%s: %w", o.name, err)
		}
		if pre, ok := p.(fwk.PreFilterPlugin); ok {
			out.pre = append(out.pre, pre)
		}
		if f, ok := p.(fwk.FilterPlugin); ok {
			out.filter = append(out.filter, f)
		}
	}
	return out, nil
}

// firstExtendedByDevices is the minor version of Kubernetes from which on the
// scheduler takes devices for extended resources by default.
const firstExtendedByDevices = 36

// before is whether a version like v1.34.1 is older than that minor one. One that
// is not known is not.
func before(version string, minor int) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	text, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(text)
	return err == nil && major == "1" && n < minor
}

// handle is what plugins may ask of their host. What filtering never asks for
// is left to the embedded nil, so that a plugin that learns to ask is noticed
// by the first test.
type handle struct {
	fwk.Handle
	on      stand
	factory informers.SharedInformerFactory
}

func (h handle) SnapshotSharedLister() fwk.SharedLister                 { return lister{h.on} }
func (h handle) SharedInformerFactory() informers.SharedInformerFactory { return h.factory }
func (h handle) Parallelizer() fwk.Parallelizer                         { return serial{} }
func (h handle) ClientSet() kubernetes.Interface                        { return nil }
func (h handle) EventRecorder() events.EventRecorderLogger              { return nil }
func (h handle) SharedDRAManager() fwk.SharedDRAManager                 { return h.on.dra() }
func (h handle) SharedCSIManager() fwk.CSIManager {
	return nodevolumelimits.NewCSIManager(h.factory.Storage().V1().CSINodes().Lister())
}

// serial runs a plugin's pieces one after the other: decisions are made in one
// goroutine, in one order.
type serial struct{}

func (serial) Until(ctx context.Context, pieces int, do workqueue.DoWorkPieceFunc, _ string) {
	for i := range pieces {
		if ctx.Err() != nil {
			return
		}
		do(i)
	}
}
