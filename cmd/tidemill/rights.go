package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/tidemill/tidemill/manifests"
)

// A right is one thing that the manifests let the daemon do.
type right struct {
	verb, group, resource string // resource with its subresource, "pods/eviction"
	namespace, name       string // "" for all
	role                  string // where the manifests grant it
}

// String spells it as kubectl auth can-i is asked: "list daemonsets.apps".
func (r right) String() string {
	s := r.verb + " " + r.resource
	if r.group != "" {
		s += "." + r.group
	}
	if r.name != "" {
		s += "/" + r.name
	}
	if r.namespace != "" {
		s += " -n " + r.namespace
	}
	return s
}

// vital is whether the daemon can do nothing at all without it: it reads no Pool,
// no node or no pod, or can never lead.
func (r right) vital() bool {
	switch r.resource {
	case "pools", "nodes", "pods":
		return r.verb == "list" || r.verb == "watch"
	case "leases":
		return r.verb != "list" // those are the kubelets' heartbeats, and other installations
	}
	return false
}

// without says what is amiss when a resource may not be read or written, in the
// words of whoever runs the cluster; a test keeps it whole. An upgrade that brings
// a new image and leaves the old roles is the usual way to lack one.
var without = map[string]string{
	"pools":                       "Pools are not read, or not made for new node pools",
	"pools/status":                "Pools do not show what is so, and runs cannot be recorded, so that none begins",
	"nodes":                       "nodes are not read or not marked: nothing is turned over, repaired or let go",
	"nodes/status":                "the doctor's verdict is not written, and new nodes are not trusted by it",
	"pods":                        "pods are not read: nothing is scaled and no node emptied",
	"pods/eviction":               "no node is emptied: no turn-over, no repair, no scale-down but of empty nodes",
	"namespaces":                  "pods that choose others by the labels of their namespace are judged as if none had any",
	"services":                    "a drain does not wait for load balancers, and pods are not spread by Service",
	"persistentvolumeclaims":      "pods with volumes are not helped: their claims are not found",
	"persistentvolumes":           "where a volume lies is not known, and growth may be in another availability domain",
	"storageclasses":              "pods whose volumes are still to be made are not helped",
	"csinodes":                    "how many volumes a node takes is not known",
	"volumeattachments":           "a drain does not wait for volumes to leave the machine",
	"daemonsets":                  "what DaemonSets take of a new node is known from nodes that are there only",
	"poddisruptionbudgets":        "budgets are not seen beforehand; the API server still keeps them at each eviction",
	"resourceclaims":              "pods with claims of devices are not helped",
	"resourceclaimtemplates":      "pods with claims of devices are not helped",
	"deviceclasses":               "pods with claims of devices are not helped",
	"resourceslices":              "pods with claims of devices are not helped",
	"provisioningrequests":        "ProvisioningRequests are not answered",
	"provisioningrequests/status": "ProvisioningRequests are not answered",
	"capacitybuffers":             "CapacityBuffers are not served",
	"capacitybuffers/status":      "CapacityBuffers are not served",
	"podtemplates":                "wishes for room that name a PodTemplate are not answered",
	"deployments":                 "buffers that follow a Deployment are not served",
	"replicasets":                 "buffers and --enable-proactive-scaleup do not see ReplicaSets",
	"statefulsets":                "buffers and --enable-proactive-scaleup do not see StatefulSets",
	"jobs":                        "buffers and --enable-proactive-scaleup do not see Jobs",
	"events":                      "reasons are in the log and the status, and not in kubectl describe",
	"tokenreviews":                "/metrics lets nobody in",
	"subjectaccessreviews":        "/metrics lets nobody in",
	"leases":                      "nobody can lead, or heartbeats of kubelets are not seen, or a second installation in another namespace is not",
	"configmaps":                  "prices and priorities of your own are not read, or the status ConfigMap is not written",
}

// rightsOfManifests are what manifests/base/rbac.yaml binds to the daemon, for an
// installation in this namespace.
func rightsOfManifests(namespace string) ([]right, error) {
	bound, all := map[string]bool{}, []right(nil)
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests.RBAC()), 4096)
	for {
		// A Role has the shape of a ClusterRole, and a binding that of a binding; what
		// one has not is left empty.
		var o struct {
			rbacv1.ClusterRole
			RoleRef rbacv1.RoleRef `json:"roleRef"`
		}
		if err := d.Decode(&o); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read the manifests' roles: %w", err)
		}
		if o.RoleRef.Name != "" {
			bound[o.RoleRef.Name] = true
			continue
		}
		for _, rule := range o.Rules {
			all = append(all, expand(rule, o.Name, place(o.Namespace, namespace))...)
		}
	}
	return slices.DeleteFunc(all, func(r right) bool { return !bound[r.role] }), nil
}

// place is where the user has put what the manifests put into tidemill-system.
func place(shipped, own string) string {
	if shipped == "tidemill-system" {
		return own
	}
	return shipped
}

func expand(rule rbacv1.PolicyRule, role, namespace string) []right {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var out []right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					out = append(out, right{verb, group, resource, namespace, name, role})
				}
			}
		}
	}
	return out
}

// used leaves out what this daemon, with these flags, does not need.
func (f *runFlags) used(all []right) []right {
	return slices.DeleteFunc(all, func(r right) bool {
		switch r.resource {
		case "tokenreviews", "subjectaccessreviews":
			return !f.metricsSecure
		case "leases":
			return !f.elect && r.namespace == f.namespace
		case "pools":
			return r.verb == "cycle" // the admission policy's, when the doctor asks for a repair
		}
		return false
	})
}

// covers is whether one of these rules grants the right.
func covers(rules []rbacv1.PolicyRule, r right) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, want)
	}
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		_, sub, isSub := strings.Cut(r.resource, "/")
		return has(rule.Verbs, r.verb) && has(rule.APIGroups, r.group) &&
			(has(rule.Resources, r.resource) || isSub && slices.Contains(rule.Resources, "*/"+sub)) &&
			(len(rule.ResourceNames) == 0 || r.name != "" && slices.Contains(rule.ResourceNames, r.name))
	})
}
