package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// files are what is read of a host, below its root. Each is here because a
// check reads it, or because whoever reads a finding asks for it next. None
// holds an environment, a command line or a credential: not /proc/*/environ, not
// /proc/cmdline (which may carry a password for a root disk), nothing of the
// kubelet's directory.
var files = []string{
	"proc/buddyinfo", "proc/cgroups", "proc/cpuinfo", "proc/devices", "proc/diskstats", "proc/filesystems", "proc/interrupts", "proc/loadavg", "proc/locks", "proc/mdstat",
	"proc/meminfo", "proc/modules", "proc/pagetypeinfo", "proc/partitions", "proc/pressure/cpu", "proc/pressure/io", "proc/pressure/memory", "proc/schedstat", "proc/softirqs",
	"proc/stat", "proc/swaps", "proc/uptime", "proc/version", "proc/vmstat", "proc/zoneinfo",
	"proc/1/mountinfo", "proc/1/net/arp", "proc/1/net/dev", "proc/1/net/netstat", "proc/1/net/route", "proc/1/net/snmp", "proc/1/net/sockstat", "proc/1/net/softnet_stat", "proc/1/net/stat/nf_conntrack",
	"proc/sys/fs/file-nr", "proc/sys/fs/inotify/max_user_instances", "proc/sys/fs/inotify/max_user_watches", "proc/sys/kernel/osrelease", "proc/sys/kernel/pid_max",
	"proc/sys/kernel/random/boot_id", "proc/sys/kernel/tainted", "proc/sys/kernel/threads-max", "proc/sys/net/ipv4/ip_forward", "proc/sys/net/ipv4/ip_local_port_range",
	"proc/sys/net/netfilter/nf_conntrack_count", "proc/sys/net/netfilter/nf_conntrack_max", "proc/sys/vm/overcommit_memory",
	"sys/class/dmi/id/chassis_asset_tag", "sys/class/dmi/id/product_name", "sys/class/dmi/id/bios_version", "sys/devices/system/clocksource/clocksource0/current_clocksource",
	"etc/os-release", "etc/oracle-release", "etc/oke/oke-install-release", "etc/resolv.conf", "etc/chrony.conf", "etc/fstab", "var/lib/chrony/drift",
	"var/lib/cloud/data/result.json", "var/lib/cloud/data/status.json", "run/cloud-init/result.json",
}

// Files names what is collected of a host, for the guide.
func Files() []string { return append([]string{"kernel.log"}, files...) }

// Collect reads the host below root, and its kernel's log by kmsg. It follows no
// link out of the root, opens nothing that could block, and reads no more of a
// file than a bundle takes.
func Collect(root string, kmsg func() ([]byte, error)) []File {
	var out []File
	data, err := kmsg()
	out = append(out, File{Name: "host/kernel.log", Data: own(data), Err: text(err)})
	dir, err := os.OpenRoot(root)
	if err != nil {
		return append(out, File{Name: "host", Err: err.Error()})
	}
	defer dir.Close()
	for _, name := range files {
		f := File{Name: "host/" + name}
		f.Data, f.Cut, err = take(dir, name)
		f.Err = text(err)
		out = append(out, f)
	}
	return out
}

// own are the lines of the log that the kernel itself wrote: what a program
// writes into it may be anything.
func own(log []byte) []byte {
	var out []byte
	for line := range bytes.Lines(log) {
		if len(line) > 2 && line[0] == '<' && line[2] == '>' { // facility 0: a priority of one digit
			out = append(out, line...)
		}
	}
	return out
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// take reads one regular file. It is opened without waiting, so that a pipe in
// its place cannot hold us, and looked at once it is open: a check before could
// be outrun.
func take(dir *os.Root, name string) (data []byte, cut bool, err error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("open %s: it is no regular file", name)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(data) > maxFile {
		return data[:maxFile], true, nil
	}
	if err != nil && len(data) > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		return data, true, nil
	}
	return data, false, err
}
