package doctor

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// okeDaemonSets are what OKE puts on every managed node, by the names that any
// one of them has: one of the network plugins is there and not both.
var okeDaemonSets = []struct {
	what  string
	names []string
}{
	{"the client of the control plane's proxy", []string{"proxymux-client"}},
	{"the storage plugin", []string{"csi-oci-node"}},
	{"a network plugin", []string{"kube-flannel-ds", "vcn-native-ip-cni", "calico-node", "cilium"}},
}

var okeSystem = Check{
	ID:       "oke-daemonsets",
	Title:    "OKE's own DaemonSets exist",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromDaemonSets},
	Limits:   Limits{Source: "the DaemonSets of kube-system by name; whether their pods run is the check system-pods"},
	Remedy:   "somebody deleted it: enable the add-on again in the cluster's add-ons page, or call Oracle; without it nodes lose logs and exec, volumes, or pod networking",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		var have []string
		for _, ds := range p.Look.Snapshot.DaemonSets {
			if ds.Namespace == metav1.NamespaceSystem && ds.DeletionTimestamp == nil {
				have = append(have, ds.Name)
			}
		}
		var missing []string
		for _, d := range okeDaemonSets {
			if !slices.ContainsFunc(d.names, func(name string) bool { return slices.Contains(have, name) }) {
				missing = append(missing, d.what+" ("+strings.Join(d.names, " or ")+")")
			}
		}
		switch len(missing) {
		case 0:
			return pass("")
		case len(okeDaemonSets):
			return skip(ReasonNotApplicable, "none of OKE's DaemonSets is here: this is another kind of cluster")
		}
		return Finding{State: Warn, Reason: "DaemonSetMissing", Message: "missing: " + strings.Join(missing, ", ")}
	},
}
