package doctor

import (
	"errors"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// Source is what a check reads beside the Node itself: a resource of the API
// server as RBAC names it, or the cloud. One that could not be read makes its checks Unknown
// and no others.
type Source string

const (
	fromPods        Source = "pods"
	fromDaemonSets  Source = "daemonsets.apps"
	fromAttachments Source = "volumeattachments.storage.k8s.io"
	fromLeases      Source = "leases.coordination.k8s.io"
	fromPodNetworks Source = "nativepodnetworks.oci.oraclecloud.com"
	// fromCloud is no resource of the API server: it is OKE and Compute.
	fromCloud Source = "oke"
	// fromPools no check reads: they say what repair may do.
	fromPools Source = "pools.tidemill.dev"
)

// ReasonNotInstalled means that the cluster has no such resource.
const ReasonNotInstalled = "NotInstalled"

// ErrNotAsked is wrapped by the error of a cloud that nobody said how to ask: what
// only it could know is then skipped, and not Unknown.
var ErrNotAsked = errors.New("not asked")

// Unseen is why sources could not be read. What is not in it was.
type Unseen map[Source]error

// of is what a check cannot say, since what it reads was not there to be read.
func (u Unseen) of(c Check) (Finding, bool) {
	for _, source := range c.Reads {
		if err, blind := u[source]; blind {
			because, text := unseenBecause(source, err), unseenText(source, err)
			if because == ReasonNotAsked {
				return skip(because, text), true
			}
			return unknown(because, text), true
		}
	}
	return Finding{}, false
}

// UnseenReport is a source that could not be read, as a value for programs.
type UnseenReport struct {
	Resource Source `json:"resource"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	// Checks are those that could not look for it.
	Checks []string `json:"checks,omitempty"`
}

// told is whether the finding is explained by a source that was not seen.
func (r Report) told(f Finding) bool {
	return f.State == Unknown && slices.ContainsFunc(r.Unseen, func(u UnseenReport) bool {
		return u.Reason == f.Reason && u.Message == f.Message && slices.Contains(u.Checks, f.Check)
	})
}

// skipped is 1 for what nobody expected to be seen, 0 for what was to be.
func (u UnseenReport) skipped() int {
	if u.Reason == ReasonNotAsked || u.Reason == ReasonNotInstalled {
		return 1
	}
	return 0
}

// report lists what was not seen in order of names.
func (u Unseen) report(checks []Check) []UnseenReport {
	var out []UnseenReport
	for _, source := range slices.Sorted(maps.Keys(u)) {
		r := UnseenReport{Resource: source, Reason: unseenBecause(source, u[source]), Message: unseenText(source, u[source])}
		for _, c := range checks {
			if slices.Contains(c.Reads, source) {
				r.Checks = append(r.Checks, c.ID)
			}
		}
		out = append(out, r)
	}
	return out
}

func unseenBecause(source Source, err error) string {
	switch {
	case errors.Is(err, ErrNotAsked):
		return ReasonNotAsked
	case source == fromCloud:
		return ReasonCloudUnreachable
	case apierrors.IsForbidden(err):
		return ReasonNotPermitted
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return ReasonNotInstalled
	}
	return ReasonUnreadable
}

func unseenText(source Source, err error) string {
	switch because := unseenBecause(source, err); {
	case source == fromPools && because == ReasonNotInstalled:
		return "tidemill is not installed in this cluster"
	case because == ReasonNotInstalled:
		return "the cluster does not know this resource"
	case because == ReasonNotPermitted:
		return "you may not list them"
	}
	return clean(err.Error())
}
