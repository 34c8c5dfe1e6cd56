package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

var volumesReadOnly = Check{
	ID:       "volumes-read-only",
	Title:    "the volumes of pods can be written",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "a mount that is writable over a file system that is not: only the kernel does that, after errors"},
	Remedy:   "delete the pod so that its volume is attached anew, which checks the file system; look at dmesg and at the block volume first",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		mounts, err := initMounts(p.Host)
		if err != nil {
			return unreadable("proc/1/mountinfo", err)
		}
		var bad []string
		seen := map[string]bool{}
		for _, m := range mounts {
			if !strings.HasPrefix(m.MountPoint, "/var/lib/kubelet/") || !strings.HasPrefix(m.Source, "/dev/") || seen[m.MajorMinorVer] {
				continue
			}
			_, wanted := m.Options["rw"]
			_, broken := m.SuperOptions["ro"]
			if wanted && broken {
				seen[m.MajorMinorVer] = true
				bad = append(bad, m.Source+" on "+m.MountPoint)
			}
		}
		if len(bad) > 0 {
			return Finding{State: Fail, Reason: "VolumeReadOnly", Observed: quantity(float64(len(bad)), "volumes"), Message: "turned read-only: " + some(bad)}
		}
		if len(mounts) == 0 {
			return unknown(ReasonUnreadable, "proc/1/mountinfo has no mount in it")
		}
		return pass("")
	},
}

var iscsiSessions = Check{
	ID:       "iscsi-sessions",
	Title:    "block volumes over iSCSI are connected",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "every session of /sys/class/iscsi_session is LOGGED_IN"},
	Remedy:   "iscsiadm -m session -P 3 shows the target; check the route and security rules to 169.254.0.0/16, and detach volumes that are gone",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const dir = "sys/class/iscsi_session"
		sessions, err := p.Host.names(dir)
		switch {
		case p.Host.lacks(err, "sys/class"), err == nil && len(sessions) == 0:
			return skip(ReasonNotApplicable, "the host has no iSCSI session")
		case err != nil:
			return unreadable(dir, err)
		}
		var bad []string
		for _, s := range sessions {
			state, err := p.Host.line(path.Join(dir, s, "state"))
			if errors.Is(err, fs.ErrNotExist) {
				continue // logged out meanwhile
			}
			if err != nil {
				return unreadable(path.Join(dir, s, "state"), err)
			}
			if state != "LOGGED_IN" {
				bad = append(bad, s+" is "+state)
			}
		}
		if len(bad) > 0 {
			return Finding{State: Fail, Reason: "SessionLost", Observed: fmt.Sprintf("%d of %d", len(bad), len(sessions)), Message: some(bad)}
		}
		return pass(quantity(float64(len(sessions)), "sessions"))
	},
}

var raid = Check{
	ID:       "raid",
	Title:    "arrays of disks are whole",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "/proc/mdstat: an array that is inactive fails, one that lacks a disk warns"},
	Remedy:   "mdadm --detail names the disk; local NVMe disks are replaced with their host",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		arrays, err := p.Host.Proc.MDStat()
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && len(arrays) == 0:
			return skip(ReasonNotApplicable, "the host has no array of disks")
		case err != nil:
			return unreadable("proc/mdstat", err)
		}
		f := pass(quantity(float64(len(arrays)), "arrays"))
		var what []string
		for _, a := range arrays {
			state := Pass
			switch {
			case a.ActivityState == "inactive":
				state = Fail
			case a.DisksFailed > 0 || a.DisksActive < a.DisksTotal:
				state = Warn
			case a.ActivityState == "recovering" || a.ActivityState == "resyncing":
				state = Info
			}
			if state != Pass {
				f.State = max(f.State, state)
				what = append(what, fmt.Sprintf("%s is %s with %d of %d disks", a.Name, a.ActivityState, a.DisksActive, a.DisksTotal))
			}
		}
		if len(what) > 0 {
			f.Reason, f.Message = "ArrayDegraded", some(what)
		}
		return f
	},
}

var fsErrorCounter = counter{id: "fs-errors", reason: "FileSystemErrors", what: "errors of file systems",
	limits: Limits{Warn: 1, Fail: 1, Source: "ext4's own count, kept on the disk until it is checked; one that rises fails. XFS keeps none and shuts down instead"}}

var fsErrors = Check{
	ID:       fsErrorCounter.id,
	Title:    "the file systems are consistent",
	Unit:     "errors",
	Limits:   fsErrorCounter.limits,
	Evidence: EvidenceCounter,
	Remedy:   "the file system is damaged and must be checked unmounted (e2fsck): for the root replace the node, for a volume move its pod away",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const dir = "sys/fs/ext4"
		devices, err := p.Host.names(dir)
		if err != nil && !p.Host.lacks(err, "sys/class") {
			return unreadable(dir, err)
		}
		counts := map[string]uint64{}
		var damaged []string
		for _, d := range devices {
			n, err := p.Host.number(path.Join(dir, d, "errors_count"))
			if errors.Is(err, fs.ErrNotExist) {
				continue // "features" lies beside the devices
			}
			if err != nil {
				return unreadable(path.Join(dir, d, "errors_count"), err)
			}
			counts[d] = n
			if n > 0 {
				damaged = append(damaged, fmt.Sprintf("%s %d", d, n))
			}
		}
		if len(counts) == 0 {
			return skip(ReasonNotApplicable, "the host has no ext4 file system")
		}
		f := fsErrorCounter.judge(p.Host, counts)
		if f.State != Fail && len(damaged) > 0 {
			f.State, f.Reason, f.Message = Warn, "FileSystemDamaged", "errors on record: "+some(damaged)
		}
		return f
	},
}
