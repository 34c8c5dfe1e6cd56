package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// filledPaths are what a node fills: the root, the container storage of CRI-O
// (OKE's runtime) and containerd, and the kubelet's.
var filledPaths = []string{".", "var/lib/containers", "var/lib/containerd", "var/lib/kubelet", "var/log"}

var diskLimits = Limits{Warn: 85, Fail: 95,
	Source: "the kubelet collects images from 85 % (imageGCHighThresholdPercent) and evicts from 90 to 95 %"}

var diskSpace = Check{
	ID:       "disk-space",
	Title:    "the disks have room",
	Unit:     "%",
	Limits:   diskLimits,
	Evidence: EvidenceLevel,
	Remedy:   "remove unused images and old logs; on OKE also check that the root file system was grown to its boot volume (oci-growfs)",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		return fullest(p.Host, func(u Usage) (used, all uint64) { return u.Bytes - u.Free, u.Bytes })
	},
}

// fullest measures each file system of filledPaths once and reports the worst;
// all that cross a limit are named.
func fullest(h *Host, measure func(Usage) (used, all uint64)) Finding {
	seen := map[string]bool{}
	var worst float64
	var where []string
	found := pass("")
	for _, path := range filledPaths {
		u, err := h.Statfs(path)
		if errors.Is(err, fs.ErrNotExist) && path != "." {
			continue // not every node has each of them
		}
		if err != nil {
			return unreadable("/"+strings.TrimPrefix(path, "."), err)
		}
		used, all := measure(u)
		if seen[u.Device] || all == 0 {
			continue
		}
		seen[u.Device] = true
		percent := float64(used) * 100 / float64(all)
		if percent >= worst {
			worst, found.Observed = percent, fmt.Sprintf("%.3g%% of /%s", percent, strings.TrimPrefix(path, "."))
		}
		if s := judge(diskLimits, percent); s != Pass {
			where = append(where, fmt.Sprintf("/%s %.3g%%", strings.TrimPrefix(path, "."), percent))
			found.State = max(found.State, s)
		}
	}
	switch {
	case len(seen) == 0:
		return skip(ReasonNotApplicable, "the file systems have no fixed number")
	case found.State != Pass:
		found.Reason, found.Message = "DiskFull", "used: "+strings.Join(where, ", ")
	}
	return found
}
