package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

var (
	oomConstraint = regexp.MustCompile(`^oom-kill:constraint=CONSTRAINT_([A-Z_]+),.*task=([^,]*)`)
	oomOlder      = regexp.MustCompile(`^Out of memory: Kill(ed)? process \d+ \(([^)]*)\)`)
)

// kernelOOM tells the two kinds of kills apart that the counter of oom-kills
// adds up: a container at its own limit is its owner's affair, a host that runs
// out is the node's.
var kernelOOM = Check{
	ID: "kernel-oom", Title: "the host itself does not run out of memory", Unit: "kills", Evidence: EvidenceLog,
	Limits: Limits{Fail: 1, Source: logSource + "; kills by a container's own limit (CONSTRAINT_MEMCG) are info"},
	Remedy: "pods use more than they ask for, or the kubelet's reserve is too small: raise requests, or systemReserved in the node's cloud-init",
	Action: ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		lines, err := p.Host.recent()
		if err != nil {
			return unreadable("the kernel's log", err)
		}
		var host, pods []KernelLine
		for _, l := range lines {
			switch kind, _ := oomLine(l.Text); kind {
			case "host":
				host = append(host, l)
			case "pod":
				pods = append(pods, l)
			}
		}
		return judgeOOM(p, host, pods)
	},
}

// oomLine is who ran out, "host" or "pod", and who was killed; "" for a line that
// tells of no kill. Kernels since 5.1 say so in one line with a constraint; older
// ones have none, and then only the host's kill has the words "Out of memory".
func oomLine(text string) (kind, victim string) {
	if !strings.Contains(text, "oom-kill:") && !strings.HasPrefix(text, "Out of memory") {
		return "", ""
	}
	if m := oomConstraint.FindStringSubmatch(text); m != nil {
		if m[1] == "MEMCG" {
			return "pod", m[2]
		}
		return "host", m[2]
	}
	// A newer kernel writes this line after the one with the constraint, with
	// "Killed" and sizes; it must not count twice.
	if m := oomOlder.FindStringSubmatch(text); m != nil && m[1] == "" {
		return "host", m[2]
	}
	return "", ""
}

func judgeOOM(p Patient, host, pods []KernelLine) Finding {
	f := Finding{State: Pass, Observed: fmt.Sprintf("%d of the host, %d of containers", len(host), len(pods))}
	switch {
	case len(host) > 0:
		last := host[len(host)-1]
		_, victim := oomLine(last.Text)
		f.State, f.Reason, f.Since = Fail, "HostOutOfMemory", p.logged(last)
		f.Message = fmt.Sprintf("the host ran out of memory and killed %s, last%s", victim, last.stamp())
	case len(pods) > 0:
		last := pods[len(pods)-1]
		_, victim := oomLine(last.Text)
		f.State, f.Reason, f.Message = Info, "ContainerLimit", fmt.Sprintf("a container reached its own limit and lost %s, last%s", victim, last.stamp())
	}
	return f
}
