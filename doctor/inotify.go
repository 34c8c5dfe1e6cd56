package doctor

import (
	"context"
	"fmt"
)

// What a node full of pods that watch files (log shippers, reloaders, language
// servers) runs out of. Limits are per user, and all pods' root is one user.
const (
	leastInstances = 512
	leastWatches   = 65536
)

var inotify = Check{
	ID:       "inotify",
	Title:    "programs can watch files",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "512 instances and 65,536 watches per user; the kernel's own default of 128 instances runs out at about a hundred pods"},
	Remedy:   "set fs.inotify.max_user_instances and max_user_watches in the pool's cloud-init; \"too many open files\" from fsnotify is this",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		instances, err := p.Host.number("proc/sys/fs/inotify/max_user_instances")
		if err != nil {
			return unreadable("fs.inotify.max_user_instances", err)
		}
		watches, err := p.Host.number("proc/sys/fs/inotify/max_user_watches")
		if err != nil {
			return unreadable("fs.inotify.max_user_watches", err)
		}
		f := pass(fmt.Sprintf("%d instances, %d watches", instances, watches))
		if instances < leastInstances || watches < leastWatches {
			// Nothing is broken yet, and every stock image has it so.
			f.State, f.Reason, f.Message = Info, "InotifyLow", f.Observed+" for each user are few for a full node"
		}
		return f
	},
}
