package fit

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// asked are the plugins that a Cluster asks, instead of knowing the answer.
type asked struct {
	static   []fwk.FilterPlugin // they look at the pod's and the node's own words
	affinity fwk.PreFilterPlugin
	volumes  []volumePlugin
	devices  devicePlugin

	podLevel, comparison bool // features
	extended             bool // devices stand behind extended resources
	era                  int  // of kinds
}

type volumePlugin interface {
	fwk.PreFilterPlugin
	fwk.FilterPlugin
}

// sortOut divides the plugins among those who ask them, in the scheduler's
// order. Host ports, resources, topology spread and affinity between pods are
// counted instead, see tally.
func sortOut(all plugins) asked {
	var a asked
	for _, p := range all.filter {
		switch p.Name() {
		case names.NodeUnschedulable, names.NodeName, names.TaintToleration, names.NodeAffinity:
			a.static = append(a.static, p)
		case names.VolumeRestrictions, names.NodeVolumeLimits, names.VolumeBinding, names.VolumeZone:
			a.volumes = append(a.volumes, p.(volumePlugin))
		case names.DynamicResources:
			a.devices = p.(devicePlugin)
		}
	}
	for _, p := range all.pre {
		if p.Name() == names.NodeAffinity {
			a.affinity = p
		}
	}
	a.extended = all.extended
	a.podLevel = utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResources)
	a.comparison = utilfeature.DefaultFeatureGate.Enabled(features.TaintTolerationComparisonOperators)
	return a
}

// shelf is what the volume plugins found out about a pod before they are asked
// about nodes. It holds for one state of the cluster.
type shelf struct {
	pod      *corev1.Pod
	state    fwk.CycleState
	ask      []fwk.FilterPlugin
	only     *fwk.PreFilterResult
	rejected *Reason
}

func (c *Cluster) shelf(pod *corev1.Pod) *shelf {
	s := &shelf{pod: pod, state: framework.NewCycleState()}
	for _, p := range c.asked.volumes {
		result, status := p.PreFilter(context.Background(), s.state, pod, nil)
		switch {
		case status.IsSkip():
			continue
		case !status.IsSuccess():
			s.rejected = &Reason{p.Name(), status.Message()}
			return s
		case !result.AllNodes():
			s.only = s.only.Merge(result)
		}
		s.ask = append(s.ask, p)
	}
	return s
}

func (s *shelf) fits(n *node) (Reason, bool) {
	for _, p := range s.ask {
		if status := p.Filter(context.Background(), s.state, s.pod, n.asInfo()); !status.IsSuccess() {
			return Reason{p.Name(), status.Message()}, false
		}
	}
	return Reason{}, true
}

// asInfo is the node as the plugins know it.
func (n *node) asInfo() *framework.NodeInfo {
	if n.info == nil {
		n.info = framework.NewNodeInfo()
		n.info.SetNode(n.asObject())
		for i := range n.pods {
			pi, _ := framework.NewPodInfo(n.pods[i].pod)
			n.info.AddPodInfo(pi)
		}
	}
	return n.info
}

func (c *Cluster) infos() []fwk.NodeInfo {
	var out []fwk.NodeInfo
	for _, n := range c.nodes {
		out = append(out, n.asInfo())
	}
	return out
}

func (c *Cluster) info(name string) fwk.NodeInfo {
	if n := c.nodes[name]; n != nil {
		return n.asInfo()
	}
	return nil
}

func (c *Cluster) dra() fwk.SharedDRAManager { return c.devices }

func (c *Cluster) claimed(key string) bool { return c.claims[key] > 0 }
