package deep

import (
	"crypto/sha256"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Privilege is how much of a node a visit may see. Each includes the one before.
type Privilege int

const (
	// PrivilegeUnknown is none: no pod is made.
	PrivilegeUnknown Privilege = iota
	// PrivilegeRead is a user like any other who sees the host's files read-only.
	PrivilegeRead
	// PrivilegeLog reads the kernel's log and the kubelet's certificates
	// (CAP_SYSLOG, CAP_DAC_READ_SEARCH), and stands in the host's network.
	PrivilegeLog
	// PrivilegeRuntime asks the container runtime too. Its socket is as good as
	// root.
	PrivilegeRuntime
	// PrivilegeFull runs Oracle's own script on the host, as root of the host.
	PrivilegeFull
)

var privilegeNames = [...]string{"unknown", "read", "log", "runtime", "full"}

// String gives the privilege's name.
func (p Privilege) String() string {
	if p < 0 || int(p) >= len(privilegeNames) {
		return "unknown"
	}
	return privilegeNames[p]
}

// ParsePrivilege is the inverse of String.
func ParsePrivilege(name string) (Privilege, error) {
	for p := PrivilegeRead; int(p) < len(privilegeNames); p++ {
		if p.String() == name {
			return p, nil
		}
	}
	return PrivilegeUnknown, fmt.Errorf("privilege %q is none of read, log, runtime, full", name)
}

const (
	// labelVisit is on every pod of a visit, and on nothing else.
	labelVisit = "app.kubernetes.io/component"
	visitValue = "doctor-visit"
	// annotationExpires is when a pod may be swept, RFC 3339.
	annotationExpires = "doctor.tidemill.dev/expires"

	container = "doctor"
	hostRoot  = "/host"
	nobody    = int64(65532)
)

// pod is the visitor. It is bound to the node by name: the scheduler would keep
// it off just those nodes that are asked about.
func (o Options) pod(n *corev1.Node, now time.Time) *corev1.Pod {
	seconds := int64(o.Timeout.Seconds())
	grace := int64(0)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: fmt.Sprintf("doctor-%.4x-", sha256.Sum256([]byte(n.Name))), Namespace: o.Namespace,
			Labels: map[string]string{"app.kubernetes.io/name": "tidemill", labelVisit: visitValue},
			Annotations: map[string]string{annotationExpires: now.Add(o.Timeout + time.Minute).UTC().Format(time.RFC3339),
				// cluster-autoscaler must not wait for it, nor scaling of our own.
				"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
		},
		Spec: corev1.PodSpec{
			NodeName: n.Name, RestartPolicy: corev1.RestartPolicyNever, ActiveDeadlineSeconds: &seconds, TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken: new(false), EnableServiceLinks: new(false),
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			// The host's resolver is what is asked about, and it works without CoreDNS.
			DNSPolicy:   corev1.DNSDefault,
			HostNetwork: o.Privilege >= PrivilegeLog, HostPID: o.Privilege == PrivilegeFull,
			Containers: []corev1.Container{o.visitor(n)},
			Volumes:    []corev1.Volume{{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}},
		},
	}
	if o.masksRun() {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "no-run", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return p
}

// masksRun is whether the host's /run is hidden: root could else call the
// runtime's socket, which a read-only mount does not prevent.
func (o Options) masksRun() bool { return o.Privilege == PrivilegeLog }

func (o Options) visitor(n *corev1.Node) corev1.Container {
	args := []string{"doctor", "host", "--root=" + hostRoot, "--name=" + n.Name, "--output=json", "--brief=/dev/termination-log", "--probe"}
	if o.Privilege >= PrivilegeRuntime {
		args = append(args, "--runtime")
	}
	if o.Privilege == PrivilegeFull {
		args = append(args, "--oracle-script")
	}
	if o.Files {
		args = append(args, "--files")
	}
	c := corev1.Container{
		Name: container, Image: o.Image, Args: args, ImagePullPolicy: corev1.PullIfNotPresent, SecurityContext: o.security(),
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: "host", MountPath: hostRoot, ReadOnly: o.Privilege < PrivilegeFull}},
	}
	if o.Privilege < PrivilegeFull {
		// Without it, what is mounted below the host's root would be writable.
		c.VolumeMounts[0].RecursiveReadOnly = new(corev1.RecursiveReadOnlyIfPossible)
	}
	if o.masksRun() {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "no-run", MountPath: hostRoot + "/run", ReadOnly: true})
	}
	return c
}

// security is the least that the privilege needs.
func (o Options) security() *corev1.SecurityContext {
	if o.Privilege == PrivilegeFull {
		return &corev1.SecurityContext{Privileged: new(true), RunAsUser: new(int64(0)), RunAsNonRoot: new(false)}
	}
	s := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), RunAsNonRoot: new(true), RunAsUser: new(nobody), RunAsGroup: new(nobody),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		// Where SELinux is enforced, a container sees nothing of its host without.
		SELinuxOptions: &corev1.SELinuxOptions{Type: "spc_t"},
	}
	if o.Privilege >= PrivilegeLog {
		// The kernel gives capabilities to root alone unless the binary asks for them.
		s.RunAsNonRoot, s.RunAsUser, s.RunAsGroup = new(false), new(int64(0)), new(int64(0))
		s.Capabilities.Add = []corev1.Capability{"SYSLOG", "DAC_READ_SEARCH"}
	}
	return s
}
