package doctor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// neededControllers are what the kubelet needs of cgroup v2.
var neededControllers = []string{"cpu", "cpuset", "memory", "pids"}

var cgroups = Check{
	ID:       "cgroups",
	Title:    "control groups are version 2, with what the kubelet needs",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "Kubernetes 1.35 refuses to start a kubelet on cgroup v1 unless told otherwise (failCgroupV1)"},
	Remedy:   "cycle the pool to an image with cgroup v2 (Oracle Linux 8 needs systemd.unified_cgroup_hierarchy=1 on the kernel's command line; 9 has it)",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		text, err := p.Host.line("sys/fs/cgroup/cgroup.controllers")
		switch {
		case errors.Is(err, fs.ErrNotExist) && (p.Host.exists("sys/fs/cgroup/memory") || p.Host.exists("sys/fs/cgroup/pids")):
			return Finding{State: Warn, Reason: "CgroupV1", Observed: "v1", Message: "the host runs cgroup v1"}
		case err != nil:
			return unreadable("sys/fs/cgroup/cgroup.controllers", err)
		}
		have := strings.Fields(text)
		var lacking []string
		for _, c := range neededControllers {
			if !slices.Contains(have, c) {
				lacking = append(lacking, c)
			}
		}
		if len(lacking) > 0 {
			return Finding{State: Fail, Reason: "ControllersMissing", Observed: text, Message: "not available: " + strings.Join(lacking, ", ")}
		}
		return pass("v2")
	},
}
