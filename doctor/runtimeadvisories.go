package doctor

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// advisory is a hole in CRI-O by which a container, or who may make one, gets at
// the host. The versions are from, inclusive, to the one that closed it.
type advisory struct {
	id, what string
	open     [][2]string
}

// advisories of CRI-O, which is what OKE's nodes run, as its project published
// them.
var advisories = []advisory{
	{"CVE-2024-3154", "a pod's annotation can set any property of systemd", [][2]string{{"0.0.0", "1.27.6"}, {"1.28.0", "1.28.6"}, {"1.29.0", "1.29.4"}}},
	{"CVE-2024-5154", "a container can place a link in the host's file system", [][2]string{{"1.28.6", "1.28.7"}, {"1.29.4", "1.29.5"}, {"1.30.0", "1.30.1"}}},
}

var runtimeAdvisories = Check{
	ID:       "runtime-advisories",
	Title:    "the container runtime's version has no known hole to the host",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "CRI-O's advisories GHSA-2cgq-h8xw-2v5j and GHSA-j9hf-98c3-wrm8, against the version in status.nodeInfo"},
	Remedy:   "move the pool to a newer image and cycle it; a vendor may have closed the hole without a new version: rpm -q --changelog cri-o on the node tells",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		said := p.Node.Object.Status.NodeInfo.ContainerRuntimeVersion
		text, crio := strings.CutPrefix(said, "cri-o://")
		if !crio {
			return skip(ReasonNotApplicable, fmt.Sprintf("the list is of CRI-O, and the node runs %q", said))
		}
		v, err := version.ParseGeneric(text)
		if err != nil {
			return unknown(ReasonUnreadable, fmt.Sprintf("the node's runtime calls itself %q", said))
		}
		var found []string
		for _, a := range advisories {
			if a.holds(v) {
				found = append(found, a.id+" ("+a.what+")")
			}
		}
		if len(found) > 0 {
			return Finding{State: Info, Reason: "RuntimeAdvisory", Observed: said, Message: some(found)}
		}
		return pass(said)
	},
}

// holds is whether a version has the hole.
func (a advisory) holds(v *version.Version) bool {
	for _, span := range a.open {
		if v.AtLeast(version.MustParseGeneric(span[0])) && v.LessThan(version.MustParseGeneric(span[1])) {
			return true
		}
	}
	return false
}
