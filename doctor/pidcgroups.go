package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// pidCgroupPaths are the control groups whose exhaustion stops a node and not only a
// pod: all pods together, the system's services, and those that pods need.
var pidCgroupPaths = []string{"kubepods.slice", "kubepods", "system.slice", "runtime.slice", "system.slice/crio.service",
	"system.slice/containerd.service", "system.slice/kubelet.service", "user.slice"}

var pidCgroupLimits = Limits{Warn: 70, Fail: 90,
	Source: "pids.current of pids.max; systemd gives a service 15 % of the host's tasks, a limit that bites long before pid_max"}

var pidCgroups = Check{
	ID:       "pid-cgroups",
	Title:    "the control groups have room for more tasks",
	Unit:     "%",
	Limits:   pidCgroupLimits,
	Evidence: EvidenceLevel,
	Remedy:   "raise TasksMax of the service (systemctl set-property), or podPidsLimit and system-reserved pid for the pods",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		if _, err := p.Host.names("sys/fs/cgroup"); err != nil {
			return unreadable("sys/fs/cgroup", err)
		}
		f := Finding{State: Skip, Reason: ReasonNotApplicable, Message: "no control group of the system limits its tasks"}
		var worst float64
		var where []string
		for _, group := range pidCgroupPaths {
			used, limit, err := p.Host.pidLimit(group)
			if err != nil {
				return unreadable("sys/fs/cgroup/"+group, err)
			}
			if limit == 0 {
				continue
			}
			percent := float64(used) * 100 / float64(limit)
			if f.State == Skip {
				f = pass("")
			}
			if percent >= worst {
				worst, f.Observed = percent, fmt.Sprintf("%.0f%% of %s", percent, group)
			}
			if s := judge(pidCgroupLimits, percent); s != Pass {
				f.State = max(f.State, s)
				where = append(where, fmt.Sprintf("%s %d of %d", group, used, limit))
			}
		}
		if len(where) > 0 {
			f.Reason, f.Message = "TasksNearLimit", "tasks: "+strings.Join(where, ", ")
		}
		return f
	},
}

// pidLimit is what a control group uses of its limit; the limit is 0 when there
// is none, or no such group. Both layouts are tried: of cgroup v2, and of v1.
func (h *Host) pidLimit(group string) (used, limit uint64, err error) {
	for _, root := range []string{"sys/fs/cgroup", "sys/fs/cgroup/pids"} {
		text, err := h.line(path.Join(root, group, "pids.max"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || text == "max" {
			return 0, 0, err
		}
		if limit, err = strconv.ParseUint(text, 10, 64); err != nil || limit == 0 {
			return 0, 0, orGarbage(err)
		}
		used, err = h.number(path.Join(root, group, "pids.current"))
		return used, limit, err
	}
	return 0, 0, nil
}
