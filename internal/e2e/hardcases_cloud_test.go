package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// waits is the probe that the pool's run waits for this reason.
func (s *Stage) waits(pool, reason string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil {
			return false, "", err
		}
		c := condition(p, v1alpha1.ConditionCycling)
		return strings.Contains(c.Reason+c.Message+p.Status.Activity, reason), fmt.Sprintf("%s: %s: %s; %s", pool, c.Reason, c.Message, p.Status.Activity), nil
	}
}

// untouched is an error when an old node is gone or cordoned.
func (s *Stage) untouched(ctx context.Context, pool string, before Fleet) error {
	nodes, _, err := s.NodesOf(ctx, pool)
	if err != nil {
		return err
	}
	there := 0
	for _, n := range nodes {
		if _, old := before[n.Spec.ProviderID]; old {
			there++
			if n.Spec.Unschedulable {
				return fmt.Errorf("old node %s is cordoned", n.Name)
			}
		}
	}
	if there != len(before) {
		return fmt.Errorf("%d of %d old nodes are left", there, len(before))
	}
	return nil
}

// newcomersThatNeverJoin: the run stops, and no old node is touched.
func newcomersThatNeverJoin(ctx context.Context, s *Stage, pool string) error {
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return err
	}
	s.Cluster.RefuseJoins(cloud.ID, true)
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the run to stop", 2*time.Minute, s.waits(pool, "JoinFailures")); err != nil {
		return err
	}
	if err := s.untouched(ctx, pool, before); err != nil {
		return err
	}
	s.Checked("stopped by name, old nodes untouched")
	return s.given(ctx, pool)
}

// noRoomForAnyMore: the cloud has no host for a surge node. The run waits with the
// reason, and no old node is touched.
func noRoomForAnyMore(ctx context.Context, s *Stage, pool string) error {
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return err
	}
	for _, place := range cloud.Placements {
		s.Sim.SetCapacity(cloud.Shape, place.AD, 0)
	}
	if err := s.foretold(ctx, pool, "NO   capacity: no placement has room for a surge node"); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the run to say that there is no room", 2*time.Minute, s.waits(pool, "InsufficientCapacity")); err != nil {
		return err
	}
	if err := s.untouched(ctx, pool, before); err != nil {
		return err
	}
	if err := s.given(ctx, pool); err != nil {
		return err
	}
	// There are hosts again, and the tenancy may have no more cores.
	for _, place := range cloud.Placements {
		s.Sim.SetCapacity(cloud.Shape, place.AD, -1)
		s.Sim.SetCoreLimit("standard-e5-core-count", place.AD, 0)
	}
	if err := s.foretold(ctx, pool, "NO   quota: there is not enough for one more node: standard-e5-core-count has 0 left"); err != nil {
		return err
	}
	s.Checked("foretold by plan cycle, for want of hosts and of quota; waits by name, old nodes untouched")
	return nil
}

// foretold is an error unless the pre-flight says no, and this.
func (s *Stage) foretold(ctx context.Context, pool, want string) error {
	out, talk, code, err := s.CLI(ctx, "plan", "cycle", pool)
	if err != nil || code != 1 || !strings.Contains(out, want) {
		return fmt.Errorf("tidemill plan cycle ended with %d, want 1 and %q: %s%s %w", code, want, out, talk, err)
	}
	return nil
}

// editsInMidRun: a person raises the budget and asks again while the run is under
// way. The newer request is answered, with every node renewed.
func editsInMidRun(ctx context.Context, s *Stage, pool string) error {
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the first old node to go", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		now, err := s.fleet(ctx, pool)
		left := before.stillIn(now)
		return left < len(before), fmt.Sprintf("%d are left", left), err
	}); err != nil {
		return err
	}
	err = s.ChangePool(ctx, pool, func(p *v1alpha1.Pool) {
		two := intstr.FromInt(2)
		p.Spec.Cycle.MaxSurge = &two
		p.Annotations[v1alpha1.AnnotationCycle] = "again"
	})
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the newer request to be answered", 3*time.Minute, s.ended(pool, "again", "Succeeded")); err != nil {
		return err
	}
	s.Checked("the newer request was answered")
	return s.turnedWell(ctx, Turn{Pool: pool}, before, len(before))
}

// scaleDownOfSomebodyElse: a cluster-autoscaler beside tidemill takes each node that
// is ready, empty and not kept from it for ten seconds. In a run it finds none.
func scaleDownOfSomebodyElse(ctx context.Context, s *Stage, pool string) error {
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	idle := map[string]time.Time{}
	over := s.ended(pool, "go", "Succeeded")
	kept := map[string]bool{}
	err = s.Wait(ctx, "the turn-over", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		done, now, err := over(ctx)
		if done || err != nil {
			return done, now, err
		}
		nodes, _, err := s.NodesOf(ctx, pool)
		for _, n := range nodes {
			_, old := before[n.Spec.ProviderID]
			if n.Annotations[v1alpha1.AnnotationScaleDownDisabled] == "true" {
				kept[n.Name] = true
			}
			if old || kept[n.Name] || !viewNode(&n).Available() {
				delete(idle, n.Name)
				continue
			}
			if idle[n.Name].IsZero() {
				idle[n.Name] = time.Now()
			}
			if time.Since(idle[n.Name]) > 10*time.Second {
				return false, "", fmt.Errorf("new node %s could be scaled away in the run", n.Name)
			}
		}
		return false, now, err
	})
	if err != nil {
		return err
	}
	if err := s.finished(ctx, pool, before); err != nil {
		return err
	}
	nodes, _, err := s.NodesOf(ctx, pool)
	for _, n := range nodes {
		if _, still := n.Annotations[v1alpha1.AnnotationScaleDownDisabled]; still {
			return fmt.Errorf("node %s is still kept from scale-down", n.Name)
		}
	}
	s.Checked("%d nodes were kept while the run lasted, none afterwards", len(kept))
	return err
}

// volumesFollowTheirPods: pods with volumes leave one after another, and no machine
// ends while a volume is attached to it. The story is the volumes' controller.
func volumesFollowTheirPods(ctx context.Context, s *Stage, pool string) error {
	db := in(pool, Workload{Name: "db", Replicas: 1})
	const count = 4
	names := map[string]bool{}
	for i := range count {
		name := fmt.Sprintf("db-%d", i)
		names[name] = true
		if err := s.volume(ctx, name); err != nil {
			return err
		}
		d := db.deployment()
		d.Name, d.Spec.Selector.MatchLabels["copy"], d.Spec.Template.Labels = name, name, map[string]string{"app": "db", "copy": name}
		d.Spec.Strategy.Type = "Recreate"
		d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
		if err := s.Client.Create(ctx, d); err != nil {
			return err
		}
	}
	a := attacher{s: s, app: "db", names: names, gone: map[string]time.Time{}}
	if err := s.Wait(ctx, "the volumes to be attached", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		n, err := a.work(ctx)
		return n == count, fmt.Sprintf("%d of %d volumes are attached", n, count), err
	}); err != nil {
		return err
	}
	before, err := s.begun(ctx, pool)
	if err != nil {
		return err
	}
	over := s.ended(pool, "go", "Succeeded")
	if err := s.Wait(ctx, "the turn-over", 4*time.Minute, func(ctx context.Context) (bool, string, error) {
		if _, err := a.work(ctx); err != nil {
			return false, "", err
		}
		return over(ctx)
	}); err != nil {
		return err
	}
	s.Checked("%d volumes moved %d times, %d of one node at once at most, none on a machine that ended", count, a.detached, a.most)
	if a.detached == 0 {
		return fmt.Errorf("no volume moved: the story told nothing")
	}
	return s.finished(ctx, pool, before)
}

// volume is a claim that is bound to a volume of its own name.
func (s *Stage) volume(ctx context.Context, name string) error {
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("50Gi")}
	once, none := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, ""
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{Capacity: size, AccessModes: once,
		ClaimRef:               &corev1.ObjectReference{Namespace: shop, Name: name},
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "blockvolume.csi.oraclecloud.com", VolumeHandle: name}}}}
	pvc := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name, Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"}},
		Spec: corev1.PersistentVolumeClaimSpec{AccessModes: once, StorageClassName: &none, VolumeName: name, Resources: corev1.VolumeResourceRequirements{Requests: size}}}
	for _, o := range []client.Object{pv, pvc} {
		if err := s.Client.Create(ctx, o); err != nil {
			return err
		}
	}
	pv.Status.Phase, pvc.Status.Phase = corev1.VolumeBound, corev1.ClaimBound
	if err := s.Client.Status().Update(ctx, pv); err != nil {
		return err
	}
	return s.Client.Status().Update(ctx, pvc)
}

// attacher plays the control plane's part with volumes: attach where the pod is,
// detach a second after it has gone.
type attacher struct {
	s        *Stage
	app      string          // whose pods' volumes
	names    map[string]bool // of these volumes
	dead     string          // a node whose end frees its volumes: nobody is left there to detach them
	gone     map[string]time.Time
	detached int
	most     int // volumes on their way off one machine at once
}

// work does what is due, and says how many volumes are attached.
func (a *attacher) work(ctx context.Context) (int, error) {
	pods, err := a.s.Pods(ctx, Workload{Name: a.app})
	if err != nil {
		return 0, err
	}
	want, machines := map[string]string{}, map[string]bool{}
	for _, p := range pods {
		for _, v := range p.Spec.Volumes {
			if v.PersistentVolumeClaim != nil && p.Spec.NodeName != "" {
				want[v.PersistentVolumeClaim.ClaimName+"/"+p.Spec.NodeName] = p.Spec.NodeName
			}
		}
	}
	var nodes corev1.NodeList
	var list storagev1.VolumeAttachmentList
	if err := a.s.Client.List(ctx, &nodes); err != nil {
		return 0, err
	}
	for _, n := range nodes.Items {
		machines[n.Name] = true
	}
	if err := a.s.Client.List(ctx, &list); err != nil {
		return 0, err
	}
	leaving := map[string]int{}
	list.Items = slices.DeleteFunc(list.Items, func(v storagev1.VolumeAttachment) bool { return !a.names[*v.Spec.Source.PersistentVolumeName] })
	for i := range list.Items {
		v := &list.Items[i]
		key := *v.Spec.Source.PersistentVolumeName + "/" + v.Spec.NodeName
		if want[key] != "" {
			delete(want, key)
			continue
		}
		if !machines[v.Spec.NodeName] && v.Spec.NodeName != a.dead {
			return 0, fmt.Errorf("the machine of node %s ended with volume %s on it", v.Spec.NodeName, key)
		}
		leaving[v.Spec.NodeName]++
		if a.gone[v.Name].IsZero() {
			a.gone[v.Name] = time.Now()
		}
		if time.Since(a.gone[v.Name]) > time.Second {
			a.detached++
			if err := client.IgnoreNotFound(a.s.Client.Delete(ctx, v)); err != nil {
				return 0, err
			}
		}
	}
	for node, n := range leaving {
		a.most = max(a.most, n)
		if n > 1 {
			return 0, fmt.Errorf("%d volumes are on their way off node %s at once", n, node)
		}
	}
	for key, node := range want {
		name, _, _ := strings.Cut(key, "/")
		v := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: strings.ReplaceAll(key, "/", ".")}, Spec: storagev1.VolumeAttachmentSpec{
			Attacher: "blockvolume.csi.oraclecloud.com", NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &name}}}
		if err := a.s.Client.Create(ctx, v); err != nil && !apierrors.IsAlreadyExists(err) {
			return 0, err
		}
	}
	return len(list.Items), nil
}
