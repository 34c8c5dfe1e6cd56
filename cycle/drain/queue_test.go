package drain

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// withVolume gives the pod a claim bound to a volume of its own name.
func withVolume(p *corev1.Pod) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: p.Name}}})
}

func withPriority(v int32) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.Priority = &v } }

func ofJob(p *corev1.Pod) {
	p.OwnerReferences[0].APIVersion, p.OwnerReferences[0].Kind = "batch/v1", "Job"
}

func made(at time.Time) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(at) }
}

// storage is the claims and volumes of these names, attached to n1 where said.
func storage(names, attached []string, change ...func(*corev1.PersistentVolume)) Around {
	var a Around
	for _, name := range names {
		a.PVCs = append(a.PVCs, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv-" + name}})
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}}
		for _, f := range change {
			f(pv)
		}
		a.PVs = append(a.PVs, pv)
	}
	for _, name := range attached {
		pv := "pv-" + name
		a.Attachments = append(a.Attachments, &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "a-" + name, UID: types.UID("a-" + name)},
			Spec: storagev1.VolumeAttachmentSpec{NodeName: "n1", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv}}})
	}
	return a
}

func balancer(policy corev1.ServiceExternalTrafficPolicy) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "web"}, ExternalTrafficPolicy: policy}}
}

// whose says which pods are due, and why which others wait: "a VolumeMoving:b".
func whose(t Target, now time.Time) (due, waiting []string) {
	q := t.queue(t.Classify(now), New(fake.NewClientset()).detach(t, now), now)
	for _, p := range q.due {
		due = append(due, p.Name)
	}
	for _, w := range q.waiting {
		_, name, _ := cutKey(w.Pod)
		waiting = append(waiting, string(w.Reason)+":"+name)
	}
	return due, waiting
}

func cutKey(key string) (namespace, name string, ok bool) {
	for i := range key {
		if key[i] == '/' {
			return key[:i], key[i+1:], true
		}
	}
	return "", "", false
}

func TestWhoseTurnItIs(t *testing.T) {
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	sets := []*appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "agent"}}}
	for name, c := range map[string]struct {
		pods    []*corev1.Pod
		terms   Terms
		around  Around
		exclude time.Time
		due     []string
		waiting []string
	}{
		"critical pods last": {pods: []*corev1.Pod{pod("dns", withPriority(2_000_000_000)), pod("web")},
			due: []string{"web"}, waiting: []string{"LowerPriorityFirst:dns"}},
		"critical pods when the rest has left": {pods: []*corev1.Pod{pod("dns", withPriority(2_000_000_000))}, due: []string{"dns"}},
		"critical pods wait for one on its way": {pods: []*corev1.Pod{pod("dns", withPriority(2_000_000_000)), pod("web", leaving(minute(9)))},
			waiting: []string{"LowerPriorityFirst:dns"}},
		"volumes wait for a pod with one on its way": {pods: []*corev1.Pod{pod("db-0", withVolume, leaving(minute(9))), pod("db-1", withVolume), pod("web")},
			around: storage([]string{"db-0", "db-1"}, []string{"db-0", "db-1"}), due: []string{"web"}, waiting: []string{"VolumeMoving:db-1"}},
		"volumes wait for a volume that is being detached": {pods: []*corev1.Pod{pod("db-1", withVolume)},
			around: storage([]string{"db-0", "db-1"}, []string{"db-0", "db-1"}), waiting: []string{"VolumeMoving:db-1"}},
		"a node whose pods are gone waits for the volume": {around: storage([]string{"db-0"}, []string{"db-0"}), waiting: []string{"VolumeMoving:"}},
		"volumes that are not attached are no volumes": {pods: []*corev1.Pod{pod("db-0", withVolume, leaving(minute(9))), pod("db-1", withVolume)},
			around: storage([]string{"db-0", "db-1"}, nil), due: []string{"db-1"}},
		"a Job's pod may complete":             {pods: []*corev1.Pod{pod("job", ofJob), pod("web")}, terms: Terms{WaitForJobs: time.Hour}, due: []string{"web"}, waiting: []string{"Completing:job"}},
		"a Job's pod has had its time":         {pods: []*corev1.Pod{pod("job", ofJob)}, terms: Terms{WaitForJobs: time.Second}, due: []string{"job"}},
		"a Job's pod is like any other":        {pods: []*corev1.Pod{pod("job", ofJob)}, due: []string{"job"}},
		"a pod that asks for its time":         {pods: []*corev1.Pod{pod("a", annotated("tidemill.dev/drain", "2h"))}, waiting: []string{"Completing:a"}},
		"a pod that asks to be waited for":     {pods: []*corev1.Pod{pod("a", annotated("tidemill.dev/drain", "wait"))}, waiting: []string{"Completing:a"}},
		"a pod that may run to its end":        {pods: []*corev1.Pod{pod("a", annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "on-completion"))}, waiting: []string{"Completing:a"}},
		"a pod that is not ended is named":     {pods: []*corev1.Pod{pod("a", leaving(minute(1)))}, waiting: []string{"Overdue:a"}},
		"a pod that is just due is not":        {pods: []*corev1.Pod{pod("a", leaving(minute(2)))}},
		"a pod behind a local balancer dwells": {pods: []*corev1.Pod{pod("web")}, terms: Terms{Dwell: 5 * time.Minute}, exclude: noon, around: Around{Balancers: []*corev1.Service{balancer("Local")}}, waiting: []string{"BalancerDwell:web"}},
		"its dwell is over":                    {pods: []*corev1.Pod{pod("web")}, terms: Terms{Dwell: time.Second}, exclude: noon, around: Around{Balancers: []*corev1.Service{balancer("Local")}}, due: []string{"web"}},
		"behind any other the pod may leave":   {pods: []*corev1.Pod{pod("web")}, terms: Terms{Dwell: 5 * time.Minute}, exclude: noon, around: Around{Balancers: []*corev1.Service{balancer("Cluster")}}, due: []string{"web"}},
		"and the node dwells in the end":       {terms: Terms{Dwell: 5 * time.Minute}, exclude: noon, around: Around{Balancers: []*corev1.Service{balancer("Cluster")}}, waiting: []string{"BalancerDwell:"}},
		"a daemon stays":                       {pods: []*corev1.Pod{pod("agent", daemon, made(noon.Add(-time.Hour)))}, around: Around{DaemonSets: sets}},
		"a daemon goes last":                   {pods: []*corev1.Pod{pod("agent", daemon, made(noon.Add(-time.Hour))), pod("web")}, terms: Terms{EvictDaemons: true}, around: Around{DaemonSets: sets}, due: []string{"web"}},
		"a daemon goes when all have left":     {pods: []*corev1.Pod{pod("agent", daemon, made(noon.Add(-time.Hour)))}, terms: Terms{EvictDaemons: true}, around: Around{DaemonSets: sets}, due: []string{"agent"}},
		"a daemon's successor stays":           {pods: []*corev1.Pod{pod("agent", daemon, made(minute(1)))}, terms: Terms{EvictDaemons: true}, around: Around{DaemonSets: sets}},
		"a daemon waits for a volume":          {pods: []*corev1.Pod{pod("agent", daemon, made(noon.Add(-time.Hour)))}, terms: Terms{EvictDaemons: true}, around: func() Around { a := storage([]string{"x"}, []string{"x"}); a.DaemonSets = sets; return a }(), waiting: []string{"VolumeMoving:"}},
	} {
		t.Run(name, func(t *testing.T) {
			target := Target{Node: node(corev1.ConditionTrue), Pods: c.pods, Cordoned: noon, Started: noon, Excluded: c.exclude, Terms: c.terms, Around: c.around}
			due, waiting := whose(target, minute(2))
			if !slices.Equal(due, c.due) || !slices.Equal(waiting, c.waiting) {
				t.Errorf("due %v, waiting %v; want %v, %v", due, waiting, c.due, c.waiting)
			}
		})
	}
}

// What a pod says of itself, and where its data is, decides before any budget.
func TestWhatMustNotBeAsked(t *testing.T) {
	onDisk := func(pv *corev1.PersistentVolume) { pv.Spec.Local = &corev1.LocalVolumeSource{Path: "/data"} }
	bound := func(key string, values ...string) func(*corev1.PersistentVolume) {
		return func(pv *corev1.PersistentVolume) {
			term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}}}
			pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}
		}
	}
	tolerant := func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}
	bare := func(p *corev1.Pod) { p.OwnerReferences = nil }
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		around Around
		want   Reason // "" for one that may be asked, "stays" for one that is not looked at
	}{
		"not safe to evict":                 {pod("a", annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")), Around{}, NotSafeToEvict},
		"safe to evict, no controller":      {pod("a", bare, annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "true")), Around{}, ""},
		"a wish that means nothing":         {pod("a", annotated("tidemill.dev/drain", "later")), Around{}, BadAnnotation},
		"ends with its node":                {pod("a", annotated("tidemill.dev/drain", "skip")), Around{}, "stays"},
		"data on the node":                  {pod("a", withVolume), storage([]string{"a"}, nil, onDisk), LocalVolume},
		"data on the node, safe":            {pod("a", withVolume, annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "true")), storage([]string{"a"}, nil, onDisk), ""},
		"data on the node, of a CSI driver": {pod("a", withVolume), storage([]string{"a"}, nil, bound("topology.topolvm.io/node", "n1")), LocalVolume},
		"data in the node's zone":           {pod("a", withVolume), storage([]string{"a"}, nil, bound("topology.kubernetes.io/zone", "AD-1")), ""},
		"data on this node and another":     {pod("a", withVolume), storage([]string{"a"}, nil, bound("node", "n1", "n2")), ""},
		"data elsewhere":                    {pod("a", withVolume), storage([]string{"a"}, nil), ""},
		"tolerates all and was here":        {pod("a", tolerant, made(noon.Add(-time.Hour))), Around{}, ""},
		"tolerates all and came back":       {pod("a", tolerant, made(noon.Add(time.Minute))), Around{}, ComesBack},
		"bound before the cordon took":      {pod("a", made(noon.Add(time.Second))), Around{}, ""},
		"came back and tolerates nought":    {pod("a", made(noon.Add(time.Minute))), Around{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Target{Node: node(corev1.ConditionTrue), Pods: []*corev1.Pod{c.pod}, Cordoned: noon, Around: c.around}.Classify(noon.Add(time.Hour))
			have := Reason("stays")
			switch {
			case len(got.Blocked) == 1:
				have = got.Blocked[0].Reason
			case len(got.Evictable) == 1:
				have = ""
			}
			if have != c.want {
				t.Errorf("got %q, want %q: %+v", have, c.want, got.Blocked)
			}
		})
	}
}

func TestTrafficOf(t *testing.T) {
	local, cluster := balancer("Local"), balancer("Cluster")
	for name, c := range map[string]struct {
		ready     corev1.ConditionStatus
		pods      []*corev1.Pod
		balancers []*corev1.Service
		want      Traffic
	}{
		"no balancer":                      {corev1.ConditionTrue, []*corev1.Pod{pod("a")}, nil, NoTraffic},
		"any node passes it on":            {corev1.ConditionTrue, nil, []*corev1.Service{cluster}, Passing},
		"a local pod serves it":            {corev1.ConditionTrue, []*corev1.Pod{pod("a")}, []*corev1.Service{cluster, local}, Serving},
		"no local pod":                     {corev1.ConditionTrue, []*corev1.Pod{pod("a", func(p *corev1.Pod) { p.Labels = nil })}, []*corev1.Service{local}, NoTraffic},
		"a dead node has failed its check": {corev1.ConditionUnknown, []*corev1.Pod{pod("a")}, []*corev1.Service{local, cluster}, NoTraffic},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TrafficOf(node(c.ready), c.pods, c.balancers); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
