package manifests_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// installed is an overlay for the stock cluster-autoscaler, by kind and name.
type installed struct {
	*testing.T
	text    string
	objects []runtime.Object
}

func install(t *testing.T, overlay string) installed {
	t.Helper()
	text := string(build(t, "overlays/"+overlay))
	return installed{t, text, typed(t, overlay, text)}
}

// container finds one and its pod.
func (i installed) container(deployment, name string) (corev1.PodSpec, corev1.Container) {
	i.Helper()
	for _, o := range i.objects {
		d, ok := o.(*appsv1.Deployment)
		if !ok || d.Name != deployment {
			continue
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.Name == name {
				return d.Spec.Template.Spec, c
			}
		}
	}
	i.Fatalf("no container %s in deployment %s", name, deployment)
	return corev1.PodSpec{}, corev1.Container{}
}

// cloudConfig is the file that cluster-autoscaler is started with.
func (i installed) cloudConfig() map[string]string {
	i.Helper()
	config := map[string]string{}
	for _, o := range i.objects {
		if m, ok := o.(*corev1.ConfigMap); ok && m.Name == "cluster-autoscaler-cloud-config" {
			if err := yaml.UnmarshalStrict([]byte(m.Data["cloud-config.yaml"]), &config); err != nil {
				i.Fatal(err)
			}
		}
	}
	return config
}

// flag is the value of one, "" without it.
func flag(c corev1.Container, name string) string {
	for _, a := range c.Args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// volume is what is mounted at a directory, "" if nothing is.
func volume(pod corev1.PodSpec, c corev1.Container, dir string) (v corev1.Volume) {
	for _, m := range c.VolumeMounts {
		if m.MountPath != dir {
			continue
		}
		if at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }); at >= 0 {
			return pod.Volumes[at]
		}
	}
	return v
}

// Both containers meet at the same socket, in a directory that only they share.
func TestClusterAutoscalerSidecar(t *testing.T) {
	i := install(t, "cluster-autoscaler-sidecar")
	pod, plugin := i.container("cluster-autoscaler", "tidemill")
	_, autoscaler := i.container("cluster-autoscaler", "cluster-autoscaler")
	address := i.cloudConfig()["address"]
	if got := flag(plugin, "listen"); got != address || !strings.HasPrefix(address, "unix:///") {
		t.Errorf("the plugin listens on %q, cluster-autoscaler dials %q", got, address)
	}
	dir := path.Dir(strings.TrimPrefix(address, "unix://"))
	for _, c := range []corev1.Container{plugin, autoscaler} {
		if v := volume(pod, c, dir); v.EmptyDir == nil || v.Name != "socket" {
			t.Errorf("container %s has %v at %s", c.Name, v, dir)
		}
		if c.SecurityContext.RunAsUser != nil {
			t.Errorf("container %s is another user than the socket's", c.Name)
		}
	}
	if v := volume(pod, autoscaler, path.Dir(flag(autoscaler, "cloud-config"))); v.ConfigMap == nil || v.ConfigMap.Name != "cluster-autoscaler-cloud-config" {
		t.Errorf("the cloud config is %v", v)
	}
	if flag(autoscaler, "cloud-provider") != "externalgrpc" {
		t.Errorf("the cloud provider is %q", flag(autoscaler, "cloud-provider"))
	}
}

// Server and client show certificates of one authority, under the name that the
// client looks for, and the key to OCI is the plugin's alone.
func TestClusterAutoscalerOverTCP(t *testing.T) {
	i := install(t, "cluster-autoscaler-tcp")
	pluginPod, plugin := i.container("tidemill-provider", "tidemill")
	pod, autoscaler := i.container("cluster-autoscaler", "cluster-autoscaler")
	config := i.cloudConfig()
	host, port, _ := strings.Cut(config["address"], ":")
	if !strings.HasSuffix(flag(plugin, "listen"), ":"+port) || !strings.Contains(i.text, "- "+host+"\n") {
		t.Errorf("cluster-autoscaler dials %s, the plugin listens on %s; is the name in its certificate?", config["address"], flag(plugin, "listen"))
	}
	for _, key := range []string{"cert", "key", "cacert"} {
		if v := volume(pod, autoscaler, path.Dir(config[key])); v.Secret == nil || !strings.Contains(i.text, "secretName: "+v.Secret.SecretName+"\n") || v.Secret.SecretName != "cluster-autoscaler-client" {
			t.Errorf("cluster-autoscaler's %s is in %v", key, v)
		}
		if v := volume(pluginPod, plugin, path.Dir(flag(plugin, key))); v.Secret == nil || v.Secret.SecretName != "tidemill-provider-tls" {
			t.Errorf("the plugin's %s is in %v", key, v)
		}
	}
	if len(pod.Containers) != 1 || slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == "tidemill-oci" }) {
		t.Error("cluster-autoscaler's pod still has what is the plugin's")
	}
	for _, o := range i.objects {
		if b, ok := o.(*rbacv1.ClusterRoleBinding); ok && b.Name == "tidemill-provider" && b.Subjects[0].Name != pluginPod.ServiceAccountName {
			t.Errorf("the plugin's rights are those of %s", b.Subjects[0].Name)
		}
	}
}

// Neither may delete a Node, a pod, or read a Secret.
func TestClusterAutoscalersRights(t *testing.T) {
	i := install(t, "cluster-autoscaler-tcp")
	seen := 0
	for _, o := range i.objects {
		r, ok := o.(*rbacv1.ClusterRole)
		if !ok || r.Name != "tidemill-cluster-autoscaler" && r.Name != "tidemill-provider" {
			continue
		}
		seen++
		for _, rule := range r.Rules {
			if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.Verbs, "delete") || slices.Contains(rule.Resources, "secrets") {
				t.Errorf("%s may %v %v", r.Name, rule.Verbs, rule.Resources)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d roles of 2", seen)
	}
}
