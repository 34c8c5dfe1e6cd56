package doctor

import (
	"strings"
	"sync"
)

// witnessOf names who a finding's word comes from, "" if it is nobody's that
// counts against a node. Two findings of one witness are one: a kubelet that is
// silent and a kubelet that says it is not Ready are both the kubelet; two
// witnesses seldom err together.
func witnessOf(f Finding) string {
	if f.Reason == ReasonHostReport {
		return "the host itself" // whatever it speaks of: it is one voice
	}
	switch f.Check {
	case ready.ID:
		if f.Reason == "KubeletSilent" {
			return "the control plane's clock"
		}
		return "the kubelet"
	case kubeletHealth.ID, kubeletPLEG.ID:
		return "the kubelet"
	case lease.ID:
		return "our own clock"
	case instanceStopped.ID, instanceGone.ID:
		return "the cloud"
	case systemPods.ID, podsStarting.ID, podsTerminating.ID:
		return "the pods"
	case otherMonitors.ID:
		return "another monitor"
	}
	return ""
}

// witnesses are those who speak against the node now, in order of findings. A
// warning is a word too, if somebody else fails the node.
func witnesses(c Case) []string {
	var out []string
	known := map[string]bool{"": true}
	for _, f := range c.Findings {
		if f.State != Fail && f.State != Warn || evidenceOf(f.Check) != EvidenceLevel {
			continue
		}
		if w := witnessOf(f); !known[w] {
			known[w] = true
			out = append(out, w)
		}
	}
	return out
}

// proof is whether the evidence carries an action, and if not, what is lacking.
//
//	                         reboot        boot volume, replace
//	two witnesses            yes           yes
//	one, seen three times    yes           only if the node is not Ready
//	one, seen once           no            no
//
// A node that is Ready contradicts a lone witness: the kubelet, its lease and
// the pods on it all say that it works. Detectors that were obeyed against that
// have had whole fleets of healthy nodes deleted.
func proof(c Case, f Finding, sight Sight, destructive bool, policy Policy) (ok bool, lacking string) {
	who := witnesses(c)
	switch {
	case len(who) >= 2:
		return true, ""
	case !sight.confirmed(c, f, policy):
		return false, "it has not been seen three times, and only " + strings.Join(who, "") + " says so"
	case destructive && c.Patient.Node.Ready():
		return false, "only " + strings.Join(who, "") + " says so, and the node is Ready: a person must look"
	}
	return true, ""
}

// checkOf finds a check by its ID, also among those on the host.
func checkOf(id string) (Check, bool) {
	c, ok := allChecks()[id]
	return c, ok
}

var allChecks = sync.OnceValue(func() map[string]Check {
	all := map[string]Check{}
	for _, checks := range [][]Check{HostChecks(), Checks()} {
		for _, c := range checks {
			all[c.ID] = c
		}
	}
	return all
})

// checkOrder are the IDs of all checks, those over the API first: the catalogue is
// made anew by whoever asks for it, and each look asks for each brake.
var checkOrder = sync.OnceValue(func() []string {
	var ids []string
	for _, checks := range [][]Check{Checks(), HostChecks()} {
		for _, c := range checks {
			ids = append(ids, c.ID)
		}
	}
	return ids
})

// ofHost is whether a check is one that a host makes: of all else it knows no more
// than others, and its word on it counts for nothing.
func ofHost(id string) bool {
	_, ok := hostOnly()[id]
	return ok
}

var hostOnly = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, c := range HostChecks() {
		all[c.ID] = true
	}
	return all
})

func evidenceOf(id string) Evidence {
	c, _ := checkOf(id)
	return c.Evidence
}
