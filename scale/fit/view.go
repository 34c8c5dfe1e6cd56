package fit

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// stand is what plugins are set up on: who answers their questions about nodes
// and claims.
type stand interface {
	infos() []fwk.NodeInfo
	info(name string) fwk.NodeInfo // nil if there is none
	claimed(key string) bool
	dra() fwk.SharedDRAManager
}

func (o *Oracle) infos() []fwk.NodeInfo {
	out := make([]fwk.NodeInfo, len(o.order))
	for i, info := range o.order {
		out[i] = info
	}
	return out
}

func (o *Oracle) info(name string) fwk.NodeInfo {
	if info := o.nodes[name]; info != nil {
		return info
	}
	return nil
}

func (o *Oracle) dra() fwk.SharedDRAManager { return o.bureau.manager }

func (o *Oracle) claimed(key string) bool { return o.claims[key] > 0 }

// lister is a stand as plugins see it: the scheduler's snapshot.
type lister struct{ s stand }

var _ fwk.SharedLister = lister{}

func (l lister) NodeInfos() fwk.NodeInfoLister           { return l }
func (l lister) StorageInfos() fwk.StorageInfoLister     { return l }
func (l lister) PodGroupStates() fwk.PodGroupStateLister { return noPodGroups{} }

func (l lister) List() ([]fwk.NodeInfo, error) { return l.s.infos(), nil }

func (l lister) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return l.having(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithAffinity()) > 0 }), nil
}

func (l lister) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return l.having(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredAntiAffinity()) > 0 }), nil
}

func (l lister) having(want func(fwk.NodeInfo) bool) []fwk.NodeInfo {
	var out []fwk.NodeInfo
	for _, info := range l.s.infos() {
		if want(info) {
			out = append(out, info)
		}
	}
	return out
}

func (l lister) Get(name string) (fwk.NodeInfo, error) {
	if info := l.s.info(name); info != nil {
		return info, nil
	}
	return nil, fmt.Errorf("no node %s", name)
}

func (l lister) IsPVCUsedByPods(key string) bool { return l.s.claimed(key) }

// claimsOf are the keys of the claims that a pod names itself.
func claimsOf(pod *corev1.Pod) []string {
	var out []string
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			out = append(out, pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	return out
}

type noPodGroups struct{}

var errNoPodGroups = errors.New("pod groups are not simulated")

func (noPodGroups) Get(string, string) (fwk.PodGroupState, error) { return nil, errNoPodGroups }
