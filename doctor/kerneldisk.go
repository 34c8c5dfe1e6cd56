package doctor

import "regexp"

// The texts are those of Linux 4.18 (UEK and RHCK 8) to 6.12: a disk that fails
// says "Buffer I/O error", "blk_update_request: I/O error", or since 5.17 "I/O
// error, dev sda"; what lies on it adds its own.
var kernelDisk = kernelSign{
	id: "kernel-disk", title: "the kernel reports no errors of disks and file systems", reason: "DiskErrors",
	limits: Limits{Warn: 1, Fail: 10, Source: logSource + "; one error may be a retry, ten are a disk. A file system that was shut down or remounted shows in root-read-only"},
	remedy: "dmesg names the device: lsblk tells whether it is the boot volume or a pod's; a boot volume that goes on to fail needs a new node",
	literals: []string{"I/O error", "EXT4-fs error", "XFS (", "nvme nvme", "beyond end of device", "Remounting filesystem read-only",
		"critical medium error", "critical target error"},
	line: regexp.MustCompile(`(?i)(buffer i/o error on dev|blk_update_request: (i/o|critical)|(^|: )i/o error, dev|critical (medium|target) error, dev|ext4-fs error|` +
		`xfs \([^)]*\): (.*(corruption|shut ?down|log i/o error|metadata i/o error))|attempt to access beyond end of device|remounting filesystem read-only|` +
		`nvme nvme\d+: (i/o .*timeout|controller is down|removing after probe failure|disabling device))`),
}.check()
