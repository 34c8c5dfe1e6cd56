package e2e

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

// What the members of a crowd look like: as much is on them as a real cluster
// writes, since memory is what is measured.

// uid makes one up that is the same each time.
func uid(parts ...string) types.UID {
	x := sha256.Sum256([]byte(strings.Join(parts, "/")))
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", x[:4], x[4:6], x[6:8], x[8:10], x[10:16]))
}

// digest is an image's.
func digest(name string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name))) }

func crowdNode(m okesim.Instance) *corev1.Node {
	n := playground.Registered(m)
	n.UID = uid("node", n.Name)
	n.ManagedFields = fields("kubelet", 1400)
	for i := range 50 { // as many as a kubelet reports
		image := fmt.Sprintf("iad.ocir.io/tenancy/team/service-%02d", i)
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{image + "@" + digest(image), image + ":v1.2.3"}, SizeBytes: 123456789})
	}
	return n
}

// fields stands for the managed fields of one manager.
func fields(manager string, bytes int) []metav1.ManagedFieldsEntry {
	text := `{"f:metadata":{"f:labels":{".":{}` + strings.Repeat(`,"f:x":{}`, bytes/8) + `}}}`
	return []metav1.ManagedFieldsEntry{{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &metav1.Time{Time: time.Now()}, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(text)}}
}

// apps are how many Deployments the crowd's pods belong to.
const apps = 300

// appOf is the Deployment that the j-th pod of the i-th Node belongs to.
func appOf(i, j int) string { return fmt.Sprintf("app-%03d", (i*7+j)%apps) }

func crowdPod(n *corev1.Node, i, j int) *corev1.Pod {
	app := appOf(i, j)
	set := app + "-" + templateHash
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%05d-%02d", set, i, j), GenerateName: set + "-", Namespace: crowd, UID: uid(set, fmt.Sprint(i), fmt.Sprint(j)),
			CreationTimestamp: metav1.Now(), ManagedFields: append(fields("kube-controller-manager", 900), fields("kubelet", 1100)...),
			Labels: crowdLabels(app), Annotations: crowdAnnotations(app),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ReplicationController", Name: set, UID: uid(set), Controller: &yes, BlockOwnerDeletion: &yes}},
		},
		Spec: crowdSpec(n.Name, app, fmt.Sprintf("kube-api-access-%05d", (i*31+j)%99999)),
	}
	p.Status = crowdStatus(n, p, i*64+j)
	return p
}

func crowdSpec(node, app, token string) corev1.PodSpec {
	grace, priority, yes, wait := int64(30), int32(0), true, int64(300)
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080), Scheme: "HTTP"}}, TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}
	}
	c := corev1.Container{
		Name: "app", Image: "iad.ocir.io/tenancy/team/" + app + ":1.2.3", ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{"--listen=:8080", "--log-format=json"}, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		Resources: corev1.ResourceRequirements{Requests: ask("100m", "128Mi"), Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: "/etc/app", ReadOnly: true}, {Name: token, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
		},
		LivenessProbe: probe("/healthz"), ReadinessProbe: probe("/readyz"),
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(bool), ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
	}
	for k := range 8 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", k), Value: "value of " + app})
	}
	return corev1.PodSpec{
		NodeName: node, Containers: []corev1.Container{c}, RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, SchedulerName: corev1.DefaultSchedulerName,
		ServiceAccountName: "default", DeprecatedServiceAccount: "default", TerminationGracePeriodSeconds: &grace, Priority: &priority, EnableServiceLinks: &yes, SecurityContext: &corev1.PodSecurityContext{},
		Tolerations: []corev1.Toleration{
			{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &wait},
			{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &wait},
		},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: app}}}},
			{Name: token, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
			}}}},
		},
	}
}

func crowdStatus(n *corev1.Node, p *corev1.Pod, number int) corev1.PodStatus {
	c, now, yes := &p.Spec.Containers[0], metav1.Now(), true
	ip := fmt.Sprintf("10.%d.%d.%d", 128+number>>16&0x3f, number>>8&0xff, number&0xff)
	s := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: n.Name, HostIPs: []corev1.HostIP{{IP: n.Name}}, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, StartTime: &now, QOSClass: corev1.PodQOSBurstable,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: c.Name, Image: c.Image, ImageID: c.Image + "@" + digest(c.Image), ContainerID: "cri-o://" + strings.TrimPrefix(digest(p.Name), "sha256:"), Ready: true, Started: &yes,
			State:              corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
			AllocatedResources: c.Resources.Requests, Resources: &c.Resources,
		}},
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	return s
}
