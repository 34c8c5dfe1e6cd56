package doctor

import (
	"bufio"
	"bytes"
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// writablePaths are mount points that a node cannot work without writing to.
// Read-only volumes of pods lie below the kubelet's directory and are meant so.
var writablePaths = []string{"/", "/etc", "/var", "/var/lib", "/var/lib/containers", "/var/lib/containers/storage", "/var/lib/containerd", "/var/lib/kubelet", "/var/log"}

var rootReadOnly = Check{
	ID:       "root-read-only",
	Title:    "the file systems can be written",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the mount table now; a kernel message about it would stay after a repair"},
	Remedy:   "the kernel remounts a file system read-only after errors: look at dmesg for the disk, then replace the node",
	First:    ActionReplaceBootVolume, // a reboot brings the damage back
	Action:   ActionReplace,           // once somebody else speaks against the node too
	Run: func(_ context.Context, p Patient) Finding {
		mounts, err := initMounts(p.Host)
		if err != nil {
			return unreadable("proc/1/mountinfo", err)
		}
		expected := readOnlyInFstab(p.Host)
		var found []string
		sawRoot := false
		for _, m := range mounts {
			sawRoot = sawRoot || m.MountPoint == "/"
			_, mountRO := m.Options["ro"]
			_, superRO := m.SuperOptions["ro"]
			if (mountRO || superRO) && slices.Contains(writablePaths, m.MountPoint) && !expected[m.MountPoint] {
				found = append(found, m.MountPoint+" ("+m.FSType+" on "+m.Source+")")
			}
		}
		switch {
		case len(found) > 0:
			return Finding{State: Fail, Reason: "ReadOnly", Message: "read-only: " + strings.Join(found, ", ")}
		case !sawRoot:
			return unknown(ReasonUnreadable, "proc/1/mountinfo has no root in it")
		}
		return pass("")
	},
}

// initMounts is the mount table of the first process: the host's own, not that
// of the container this may run in, where everything is read-only on purpose.
func initMounts(h *Host) ([]*procfs.MountInfo, error) {
	init, err := h.Proc.Proc(1)
	if err != nil {
		return nil, err
	}
	return init.MountInfo()
}

// readOnlyInFstab are the mount points that somebody wants read-only.
func readOnlyInFstab(h *Host) map[string]bool {
	out := map[string]bool{}
	data, err := fs.ReadFile(h.FS, "etc/fstab")
	if err != nil {
		return out // a host without fstab expects everything writable
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 4 && !strings.HasPrefix(f[0], "#") && slices.Contains(strings.Split(f[3], ","), "ro") {
			out[f[1]] = true
		}
	}
	return out
}
