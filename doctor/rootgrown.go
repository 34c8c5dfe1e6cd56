package doctor

import (
	"context"
	"fmt"
	"path"
)

var grownLimits = Limits{Warn: 10,
	Source: "share of the boot volume that belongs to no file system; 10 % allows for partition tables and what a file system keeps for itself"}

// OKE's most common surprise: a larger boot volume was asked for, and the root
// file system still has the image's size.
var rootGrown = Check{
	ID:       "root-grown",
	Title:    "the root file system fills its boot volume",
	Unit:     "%",
	Limits:   grownLimits,
	Evidence: EvidenceLevel,
	Remedy:   "run /usr/libexec/oci-growfs -y, and put it in the pool's cloud-init so that new nodes do it themselves",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		mounts, err := initMounts(p.Host)
		if err != nil {
			return unreadable("proc/1/mountinfo", err)
		}
		device := ""
		for _, m := range mounts {
			if m.MountPoint == "/" {
				device = m.MajorMinorVer // the last mount is the one that is seen
			}
		}
		disk, err := p.Host.diskOf(device)
		if err != nil {
			return unreadable("sys/block", err)
		}
		if disk == nil {
			return skip(ReasonNotApplicable, "the root is on no disk that the kernel shows")
		}
		root, err := p.Host.Statfs(".")
		if err != nil {
			return unreadable("/", err)
		}
		size := max(root.Size, root.Bytes)
		used := disk.others + size
		if used > disk.size {
			used = disk.size
		}
		percent := float64(disk.size-used) * 100 / float64(disk.size)
		f := Finding{State: judge(grownLimits, percent), Observed: fmt.Sprintf("%.0f%% of %s %d GiB", percent, disk.name, disk.size>>30)}
		if f.State != Pass {
			f.Reason = "RootNotGrown"
			f.Message = fmt.Sprintf("%d GiB of the %d GiB of %s belong to no file system; the root has %d GiB", (disk.size-used)>>30, disk.size>>30, disk.name, size>>30)
		}
		return f
	},
}

// disk is a whole disk that carries the root.
type disk struct {
	name   string
	size   uint64 // bytes
	others uint64 // bytes taken by partitions and logical volumes that are not the root
}

// diskOf finds the disk below a device number ("252:0"): the device itself, one
// of its partitions, or a logical volume in one of them; nil when there is none.
func (h *Host) diskOf(device string) (*disk, error) {
	disks, err := h.names("sys/block")
	if err != nil {
		return nil, err
	}
	for _, name := range disks {
		dir := path.Join("sys/block", name)
		if holders, _ := h.names(path.Join(dir, "slaves")); len(holders) > 0 {
			continue // a logical volume: it is found through its disk
		}
		found, others := h.searchDisk(dir, name, device)
		if !found {
			continue
		}
		sectors, err := h.number(path.Join(dir, "size"))
		if err != nil || sectors == 0 {
			return nil, orGarbage(err)
		}
		return &disk{name, sectors * 512, others}, nil
	}
	return nil, nil
}

// searchDisk looks for the device on one disk and adds up what is beside it.
func (h *Host) searchDisk(dir, name, device string) (found bool, others uint64) {
	if dev, _ := h.line(path.Join(dir, "dev")); dev == device {
		return true, 0
	}
	parts := []string{dir}
	entries, _ := h.names(dir)
	for _, e := range entries {
		if h.exists(path.Join(dir, e, "partition")) {
			parts = append(parts, path.Join(dir, e))
		}
	}
	for _, part := range parts {
		volumes, _ := h.names(path.Join(part, "holders"))
		if dev, _ := h.line(path.Join(part, "dev")); dev == device {
			found = true
		} else if len(volumes) == 0 && part != dir {
			others += h.sectors(part)
		}
		for _, v := range volumes {
			if dev, _ := h.line(path.Join("sys/block", v, "dev")); dev == device {
				found = true
			} else {
				others += h.sectors(path.Join("sys/block", v))
			}
		}
	}
	return found, others
}

// sectors is a device's size in bytes; the kernel counts in 512 whatever the disk.
func (h *Host) sectors(dir string) uint64 {
	n, _ := h.number(path.Join(dir, "size"))
	return n * 512
}
