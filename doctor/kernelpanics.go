package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"
)

// panicMemory is how long a panic that is on record counts.
const panicMemory = 72 * time.Hour

var kernelPanics = Check{
	ID:       "kernel-panics",
	Title:    "the kernel did not panic lately",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "records in pstore of the last three days, as gpud counts"},
	Remedy:   "read the record in /var/lib/systemd/pstore or /sys/fs/pstore; a second panic on the same host speaks against the host: replace the node",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		var last time.Time
		looked := false
		for _, dir := range []string{"sys/fs/pstore", "var/lib/systemd/pstore"} {
			entries, err := fs.ReadDir(p.Host.FS, dir)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return unreadable(dir, err)
			}
			looked = true
			for _, e := range entries {
				info, err := e.Info()
				if err != nil || !e.IsDir() && !strings.HasPrefix(path.Base(e.Name()), "dmesg") {
					continue // systemd files its records in directories by time
				}
				if info.ModTime().After(last) {
					last = info.ModTime()
				}
			}
		}
		switch {
		case !looked && !p.Host.exists("sys/class"):
			return unknown(ReasonNotFound, "the host's /sys is not mounted here")
		case !looked:
			return skip(ReasonNotApplicable, "the host keeps no record of panics")
		case last.IsZero():
			return pass("")
		case p.Now.Sub(last) > panicMemory:
			return Finding{State: Info, Reason: "OldPanic", Message: "the kernel left a record of a panic at " + clock(last)}
		}
		return Finding{State: Warn, Reason: "KernelPanicked", Message: "the kernel left a record of a panic at " + clock(last)}
	},
}
