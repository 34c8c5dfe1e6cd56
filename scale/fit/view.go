package fit

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
)

// view holds the lists that plugins ask for. They are made when asked for and
// dropped when a change could alter them.
type view struct {
	all, affine, antiAffine []fwk.NodeInfo
	made, madeAffine        bool
}

// without is the view after a pod came or went: only one with affinity of its
// own changes who has such pods.
func (v view) without(pod *corev1.Pod) view {
	if a := pod.Spec.Affinity; a != nil && (a.PodAffinity != nil || a.PodAntiAffinity != nil) {
		v.madeAffine, v.affine, v.antiAffine = false, nil, nil
	}
	return v
}

// lister is the Cluster as plugins see it: the scheduler's snapshot.
type lister struct{ c *Cluster }

var _ fwk.SharedLister = lister{}

func (l lister) NodeInfos() fwk.NodeInfoLister           { return l }
func (l lister) StorageInfos() fwk.StorageInfoLister     { return l }
func (l lister) PodGroupStates() fwk.PodGroupStateLister { return l.podGroups() }

func (l lister) List() ([]fwk.NodeInfo, error) {
	v := &l.c.view
	if !v.made {
		v.all = make([]fwk.NodeInfo, len(l.c.order))
		for i, info := range l.c.order {
			v.all[i] = info
		}
		v.made = true
	}
	return v.all, nil
}

func (l lister) affinities() *view {
	v := &l.c.view
	if v.madeAffine {
		return v
	}
	for _, info := range l.c.order {
		if len(info.PodsWithAffinity) > 0 {
			v.affine = append(v.affine, info)
		}
		if len(info.PodsWithRequiredAntiAffinity) > 0 {
			v.antiAffine = append(v.antiAffine, info)
		}
	}
	v.madeAffine = true
	return v
}

func (l lister) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return l.affinities().affine, nil
}

func (l lister) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return l.affinities().antiAffine, nil
}

func (l lister) Get(name string) (fwk.NodeInfo, error) {
	if info := l.c.nodes[name]; info != nil {
		return info, nil
	}
	return nil, fmt.Errorf("no node %s", name)
}

func (l lister) IsPVCUsedByPods(key string) bool { return l.c.claims[key] > 0 }

// claim counts the claims of a placed pod.
func (c *Cluster) claim(pod *corev1.Pod, n int) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			c.claims[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName] += n
		}
	}
}

type noPodGroups struct{}

var errNoPodGroups = errors.New("pod groups are not simulated")

func (noPodGroups) Get(string, string) (fwk.PodGroupState, error) { return nil, errNoPodGroups }

func (l lister) podGroups() fwk.PodGroupStateLister { return noPodGroups{} }
