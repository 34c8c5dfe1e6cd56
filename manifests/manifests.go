// Package manifests holds what is installed into a cluster, as plain YAML that
// kubectl and kustomize read, and as embedded text for programs that install it
// themselves: the playground and the demo run with exactly these rights and this
// CRD, so that a missing rule is found before a user finds it.
//
//	crd/               the Pool resource; generated from api/, never edited
//	namespace.yaml     tidemill-system, Pod Security "restricted"
//	rbac.yaml          the ServiceAccount and all that it may do
//	admission.yaml     who may change tidemill's annotations
//	networkpolicy.yaml who may talk to the daemon, and whom it may talk to
//	deployment.yaml    two replicas, one leads
//	pdb.yaml           one of them stays
package manifests

import _ "embed" // the directives below

//go:embed crd/tidemill.dev_pools.yaml
var crd []byte

//go:embed namespace.yaml
var namespace []byte

//go:embed rbac.yaml
var rbac []byte

//go:embed admission.yaml
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
