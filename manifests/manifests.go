// Package manifests holds what is installed into a cluster, as plain YAML that
// kubectl and kustomize read, and as embedded text for programs that install it
// themselves: the playground and the demo run with exactly these rights and this
// CRD, so that a missing rule is found before a user finds it.
//
//	base/          what is installed: the CRD (generated from api/), namespace with
//	               Pod Security "restricted", rights, who may annotate, who may
//	               talk to whom, two replicas, a budget that keeps one of them
//	overlays/      the base under other circumstances: without a key, in a private
//	               cluster, beside the stock cluster-autoscaler
//	iam/           what it needs in OCI, as policy statements
//	chart/         the same objects for helm; charttest/ proves that they are
package manifests

import _ "embed" // the directives below

//go:embed base/crd/tidemill.dev_pools.yaml
var crd []byte

//go:embed base/namespace.yaml
var namespace []byte

//go:embed base/rbac.yaml
var rbac []byte

//go:embed base/admission.yaml
var admission []byte

// CRD is the CustomResourceDefinition of Pools, one YAML document.
func CRD() []byte { return clone(crd) }

// Namespace is the daemon's Namespace, one YAML document.
func Namespace() []byte { return clone(namespace) }

// RBAC is the daemon's ServiceAccount, roles and bindings: YAML documents with
// "---" between them, each a single object.
func RBAC() []byte { return clone(rbac) }

// Admission is who may change tidemill's annotations: policies and their
// bindings, YAML documents with "---" between them.
func Admission() []byte { return clone(admission) }

func clone(b []byte) []byte { return append([]byte(nil), b...) }
