package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// A hostStory is a host of a few files, each "path\ncontent", and what one check
// makes of it. before are the counters of a run five minutes ago; nil for none.
type hostStory struct {
	check, name string
	files       []string
	before      map[string]uint64
	state       State
	reason      string
}

const (
	nicOn   = "sys/class/net/ens3/device/vendor\n0x1af4"
	rdma0   = "sys/class/infiniband/mlx5_0/ports/1/"
	pci3    = "sys/bus/pci/devices/0000:00:03.0/"
	sysHere = "sys/class/x/y\n"
	routes  = "proc/1/net/route\nIface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
	mounted = "proc/1/mountinfo\n22 1 8:3 / / rw - ext4 /dev/sda3 rw\n"
	meminfo = "proc/meminfo\nMemTotal: 1000000 kB\n"
	psi     = " avg10=0.00 avg60=45.00 avg300=85.00 total=100\n"
	stat    = " 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7777 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)

// systemStories are of all but the network's own.
var systemStories = []hostStory{
	{"volumes-read-only", "turned by the kernel", []string{mounted + "90 22 8:16 / /var/lib/kubelet/plugins/csi/1/globalmount rw - ext4 /dev/sdb ro\n"}, nil, Fail, "VolumeReadOnly"},
	{"volumes-read-only", "meant so", []string{mounted + "90 22 8:16 / /var/lib/kubelet/plugins/csi/1/globalmount ro - ext4 /dev/sdb ro\n"}, nil, Pass, ""},
	{"volumes-read-only", "no table", []string{"proc/1/mountinfo\n"}, nil, Unknown, ReasonUnreadable},
	{"root-grown", "image size on a large disk", []string{mounted, "sys/block/sda/dev\n8:0", "sys/block/sda/size\n209715200", "sys/block/sda/sda3/dev\n8:3", "sys/block/sda/sda3/partition\n3"}, nil, Warn, "RootNotGrown"},
	{"root-grown", "a logical volume of the image's size", []string{strings.ReplaceAll(mounted, "8:3", "252:0"), "sys/block/sda/dev\n8:0", "sys/block/sda/size\n209715200",
		"sys/block/sda/sda1/dev\n8:1", "sys/block/sda/sda1/partition\n1", "sys/block/sda/sda1/size\n204800", "sys/block/sda/sda3/dev\n8:3", "sys/block/sda/sda3/partition\n3", "sys/block/sda/sda3/size\n97308672",
		"sys/block/sda/sda3/holders/dm-0/dev\n252:0", "sys/block/dm-0/dev\n252:0", "sys/block/dm-0/slaves/sda3/x\n"}, nil, Warn, "RootNotGrown"},
	{"root-grown", "on overlay", []string{strings.ReplaceAll(mounted, "8:3", "0:33"), "sys/block/sda/dev\n8:0"}, nil, Skip, ReasonNotApplicable},
	{"root-grown", "no /sys", []string{mounted}, nil, Unknown, ReasonNotFound},
	{"root-grown", "disk without a size", []string{mounted, "sys/block/sda/dev\n8:3", "sys/block/sda/size\n0"}, nil, Unknown, ReasonUnreadable},
	{"fs-errors", "on record", []string{"sys/fs/ext4/sda3/errors_count\n3"}, nil, Warn, "FileSystemDamaged"},
	{"fs-errors", "rising", []string{"sys/fs/ext4/sda3/errors_count\n3"}, map[string]uint64{"fs-errors/sda3": 2}, Fail, "FileSystemErrors"},
	{"fs-errors", "sound", []string{"sys/fs/ext4/sda3/errors_count\n0"}, nil, Pass, ""},
	{"raid", "lacks a disk", []string{"proc/mdstat\nPersonalities : [raid1]\nmd0 : active raid1 nvme1n1[1] nvme0n1[0](F)\n      1000 blocks super 1.2 [2/1] [_U]\n\nunused devices: <none>\n"}, nil, Warn, "ArrayDegraded"},
	{"raid", "whole", []string{"proc/mdstat\nPersonalities : [raid1]\nmd0 : active raid1 nvme1n1[1] nvme0n1[0]\n      1000 blocks super 1.2 [2/2] [UU]\n\nunused devices: <none>\n"}, nil, Pass, ""},
	{"iscsi-sessions", "lost", []string{"sys/class/iscsi_session/session1/state\nFAILED"}, nil, Fail, "SessionLost"},
	{"iscsi-sessions", "no /sys", nil, nil, Unknown, ReasonNotFound},
	{"clock-drift", "far off", []string{"var/lib/chrony/drift\n 480.5 0.2"}, nil, Fail, "ClockDrifts"},
	{"clock-drift", "not a number", []string{"var/lib/chrony/drift\nNaN 0.2"}, nil, Unknown, ReasonUnreadable},
	{"clock-drift", "small", []string{"var/lib/chrony/drift\n -12.5 0.2"}, nil, Pass, ""},
	{"clock-source", "fallen back", []string{"sys/devices/system/clocksource/clocksource0/current_clocksource\nhpet"}, nil, Warn, "SlowClock"},
	{"pid-cgroups", "nearly used up", []string{"sys/fs/cgroup/system.slice/crio.service/pids.max\n100", "sys/fs/cgroup/system.slice/crio.service/pids.current\n95"}, nil, Fail, "TasksNearLimit"},
	{"pid-cgroups", "cgroup v1", []string{"sys/fs/cgroup/pids/kubepods/pids.max\n100", "sys/fs/cgroup/pids/kubepods/pids.current\n75"}, nil, Warn, "TasksNearLimit"},
	{"pid-cgroups", "no limit", []string{"sys/fs/cgroup/kubepods.slice/pids.max\nmax"}, nil, Skip, ReasonNotApplicable},
	{"inotify", "few", []string{"proc/sys/fs/inotify/max_user_instances\n128", "proc/sys/fs/inotify/max_user_watches\n524288"}, nil, Info, "InotifyLow"},
	{"memory", "nearly full", []string{meminfo + "MemAvailable: 20000 kB\n"}, nil, Fail, "MemoryNearFull"},
	{"memory", "cut short", []string{meminfo}, nil, Unknown, ReasonUnreadable},
	{"swap", "in use", []string{"proc/meminfo\nSwapTotal: 1000 kB\nSwapFree: 100 kB\n"}, nil, Warn, "SwapUsed"},
	{"swap", "on", []string{"proc/meminfo\nSwapTotal: 1000 kB\nSwapFree: 1000 kB\n"}, nil, Info, "SwapOn"},
	{"oom-kills", "since boot", []string{"proc/vmstat\noom_kill 7"}, nil, Info, "CountedSinceBoot"},
	{"oom-kills", "many", []string{"proc/vmstat\noom_kill 17"}, map[string]uint64{"oom-kills/kernel": 7}, Warn, "OOMKills"},
	{"oom-kills", "one", []string{"proc/vmstat\noom_kill 8"}, map[string]uint64{"oom-kills/kernel": 7}, Info, "OOMKills"},
	{"oom-kills", "none more", []string{"proc/vmstat\noom_kill 7"}, map[string]uint64{"oom-kills/kernel": 7}, Pass, ""},
	{"oom-kills", "no counter", []string{"proc/vmstat\nnr_free_pages 7"}, nil, Unknown, ReasonNotFound},
	{"stall-memory", "stalled", []string{"proc/pressure/memory\nsome" + psi + "full" + psi}, nil, Fail, "MemoryStalled"},
	{"stall-io", "stalled", []string{"proc/pressure/io\nsome" + psi + "full" + psi}, nil, Fail, "IOStalled"},
	{"stall-cpu", "stalled", []string{"proc/pressure/cpu\nsome" + psi}, nil, Warn, "CPUStalled"},
	{"stall-io", "half a file", []string{"proc/pressure/io\nsome" + psi}, nil, Unknown, ReasonUnreadable},
	{"load", "high", []string{"proc/loadavg\n9 9 9.5 1/2 3", "proc/stat\ncpu 1\ncpu0 1\ncpu1 1\n"}, nil, Warn, "LoadHigh"},
	{"hung-tasks", "hang", []string{"proc/sys/kernel/hung_task_detect_count\n4"}, map[string]uint64{"hung-tasks/kernel": 1}, Fail, "TasksHung"},
	{"hung-tasks", "none", []string{"proc/sys/kernel/hung_task_detect_count\n0"}, nil, Pass, ""},
	{"uninterruptible", "for long", []string{"proc/42/stat\n42 (mount.nfs) D" + stat}, map[string]uint64{"uninterruptible/42-7777": 1_700_000_000}, Warn, "ProcessesBlocked"},
	{"uninterruptible", "just now", []string{"proc/42/stat\n42 (dd) D" + stat}, map[string]uint64{}, Pass, ""},
	{"uninterruptible", "another of that number", []string{"proc/42/stat\n42 (dd) D" + stat}, map[string]uint64{"uninterruptible/42-6666": 1_700_000_000}, Pass, ""},
	{"zombies", "no processes at all", nil, nil, Unknown, ReasonUnreadable},
	{"kernel-taint", "oops", []string{"proc/sys/kernel/tainted\n128"}, nil, Fail, "KernelTainted"},
	{"kernel-taint", "warned", []string{"proc/sys/kernel/tainted\n512"}, nil, Warn, "KernelTainted"},
	{"kernel-taint", "modules of a vendor", []string{"proc/sys/kernel/tainted\n12289"}, nil, Pass, ""},
	{"kernel-panics", "long ago", []string{"var/lib/systemd/pstore/dmesg-erst-1\nPanic#1"}, nil, Info, "OldPanic"},
	{"kernel-panics", "never", []string{"sys/fs/pstore/console\nx"}, nil, Pass, ""},
	{"kernel-modules", "gone", []string{"proc/sys/kernel/osrelease\n5.15.0-1", "usr/lib/modules/5.15.0-2/modules.dep\n"}, nil, Warn, "ModulesGone"},
	{"reboot-required", "wanted", []string{"run/reboot-required\n", "run/reboot-required.pkgs\nlinux-image-6.8\nlibc6"}, nil, Info, "RebootRequired"},
	{"reboot-required", "not wanted", []string{"run/x\n", "var/lib/dpkg/status\n"}, nil, Pass, ""},
	{"reboot-required", "no /run", nil, nil, Unknown, ReasonNotFound},
	{"cgroups", "version 1", []string{"sys/fs/cgroup/memory/tasks\n1"}, nil, Warn, "CgroupV1"},
	{"cgroups", "lacks one", []string{"sys/fs/cgroup/cgroup.controllers\ncpu cpuset memory"}, nil, Fail, "ControllersMissing"},
	{"cloud-init", "errors", []string{`run/cloud-init/result.json` + "\n" + `{"v1": {"errors": ["('scripts-user', \u001b[31mRuntimeError)"]}}`}, nil, Warn, "CloudInitErrors"},
	{"cloud-init", "never finished", []string{"run/cloud-init/status.json\n{}", "proc/uptime\n90000 1"}, nil, Warn, "CloudInitNotFinished"},
	{"cloud-init", "still runs", []string{"run/cloud-init/status.json\n{}", "proc/uptime\n60 1"}, nil, Unknown, ReasonJoining},
	{"default-route", "none", []string{routes + "ens3 0000000A 00000000 0001 0 0 100 0000FFFF 0 0 0\n"}, nil, Fail, "NoDefaultRoute"},
	{"default-route", "IPv6 only", []string{routes, "proc/1/net/ipv6_route\n" + strings.Repeat("0", 32) + " 00 " + strings.Repeat("0", 32) + " 00 fe80 00000400 1 0 3 ens3\n"}, nil, Pass, ""},
	{"ip-forwarding", "off", []string{"var/lib/kubelet/config.yaml\n", "proc/1/net/snmp\nIp: Forwarding DefaultTTL\nIp: 2 64\n"}, nil, Fail, "ForwardingOff"},
	{"ip-forwarding", "off on a workstation", []string{"proc/1/net/snmp\nIp: Forwarding DefaultTTL\nIp: 2 64\n"}, nil, Skip, ReasonNotApplicable},
	{"conntrack-drops", "dropping", []string{"proc/1/net/stat/nf_conntrack\nentries clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error expect_new expect_create expect_delete search_restart\n" +
		"1 0 0 0 0 0 0 0 0 0 00000010 00000005 0 0 0 0 0\n"}, map[string]uint64{"conntrack-drops/kernel": 1}, Warn, "ConnectionsDropped"},
	{"nic-carrier", "lost", []string{nicOn, "sys/class/net/ens3/flags\n0x1003", "sys/class/net/ens3/carrier\n0"}, nil, Fail, "NoCarrier"},
	{"nic-carrier", "second lost", []string{nicOn, "sys/class/net/ens3/flags\n0x1003", "sys/class/net/ens3/carrier\n1", "sys/class/net/ens4/device/vendor\nx", "sys/class/net/ens4/flags\n0x1003", "sys/class/net/ens4/carrier\n0"}, nil, Warn, "NoCarrier"},
	{"nic-carrier", "switched off", []string{nicOn, "sys/class/net/ens3/flags\n0x1002"}, nil, Pass, ""},
	{"nic-flaps", "flapping", []string{nicOn, "sys/class/net/ens3/carrier_changes\n9"}, map[string]uint64{"nic-flaps/ens3": 3}, Warn, "LinkFlapping"},
	{"nic-errors", "since boot", []string{nicOn, "sys/class/net/ens3/statistics/rx_errors\n4", "sys/class/net/ens3/statistics/tx_errors\n1"}, nil, Info, "CountedSinceBoot"},
	{"nic-errors", "reset by its driver", []string{nicOn, "sys/class/net/ens3/statistics/rx_errors\n14", "sys/class/net/ens3/statistics/tx_errors\n0"}, map[string]uint64{"nic-errors/ens3": 500}, Warn, "InterfaceErrors"},
	{"rdma-link", "down", []string{rdma0 + "state\n1: DOWN", rdma0 + "phys_state\n2: Polling"}, nil, Fail, "RDMALinkDown"},
	{"rdma-link", "disabled", []string{rdma0 + "state\n1: DOWN", rdma0 + "phys_state\n3: Disabled"}, nil, Pass, ""},
	{"rdma-flaps", "once", []string{rdma0 + "counters/link_downed\n2"}, map[string]uint64{"rdma-flaps/mlx5_0/1": 1}, Warn, "RDMALinkFlapping"},
	{"rdma-flaps", "steady", []string{rdma0 + "counters/link_downed\n0"}, nil, Pass, ""},
	{"pcie-errors", "rising", []string{pci3 + "aer_dev_fatal\nUndefined 0\nTOTAL_ERR_FATAL 12", pci3 + "aer_dev_nonfatal\nTOTAL_ERR_NONFATAL 0"}, map[string]uint64{"pcie-errors/0000:00:03.0": 1}, Fail, "PCIeErrors"},
	{"pcie-errors", "none", []string{pci3 + "aer_dev_fatal\nTOTAL_ERR_FATAL 0", pci3 + "aer_dev_nonfatal\nTOTAL_ERR_NONFATAL 0"}, nil, Pass, ""},
	{"pcie-corrected", "a few", []string{pci3 + "aer_dev_correctable\nRxErr 5\nTOTAL_ERR_COR 5"}, map[string]uint64{"pcie-corrected/0000:00:03.0": 1}, Info, "PCIeCorrected"},
	{"pcie-corrected", "thousands", []string{pci3 + "aer_dev_correctable\nTOTAL_ERR_COR 5000"}, map[string]uint64{"pcie-corrected/0000:00:03.0": 1}, Warn, "PCIeCorrected"},
	{"pcie-corrected", "none", []string{pci3 + "aer_dev_correctable\nTOTAL_ERR_COR 0"}, nil, Pass, ""},
	{"gpus", "one lost", []string{pci3 + "vendor\n0x10de", pci3 + "class\n0x030200", "sys/bus/pci/devices/0000:00:04.0/vendor\n0x10de", "sys/bus/pci/devices/0000:00:04.0/class\n0x030200", "proc/driver/nvidia/gpus/0000:00:03.0/information\nx"}, nil, Fail, "GPULost"},
	{"gpus", "no driver", []string{pci3 + "vendor\n0x10de", pci3 + "class\n0x030200"}, nil, Warn, "NoDriver"},
	{"gpus", "all there", []string{pci3 + "vendor\n0x10de", pci3 + "class\n0x030200", "proc/driver/nvidia/gpus/0000:00:03.0/information\nx"}, nil, Pass, ""},
	{"gpus", "none", []string{sysHere}, nil, Skip, ReasonNotApplicable},
	{"nvme", "dead", []string{"sys/class/nvme/nvme0/state\ndead"}, nil, Fail, "DiskNotLive"},
	{"nvme", "resetting", []string{"sys/class/nvme/nvme0/state\nresetting", "sys/class/nvme/nvme1/state\nlive"}, nil, Warn, "DiskNotLive"},
	{"nvme", "live", []string{"sys/class/nvme/nvme0/state\nlive"}, nil, Pass, ""},
	{"memory-errors", "one", []string{"sys/devices/system/edac/mc/mc0/ue_count\n1", "sys/devices/system/edac/mc/power/x\n"}, map[string]uint64{"memory-errors/mc0": 0}, Fail, "MemoryErrors"},
	{"memory-errors", "of old", []string{"sys/devices/system/edac/mc/mc0/ue_count\n1"}, nil, Info, "CountedSinceBoot"},
	{"memory-corrected", "hundreds", []string{"sys/devices/system/edac/mc/mc0/ce_count\n500"}, map[string]uint64{"memory-corrected/mc0": 0}, Warn, "MemoryCorrected"},
	{"memory-corrected", "virtual machine", []string{sysHere}, nil, Skip, ReasonNotApplicable},
	{"cpu-throttled", "hot", []string{"sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count\n500", "sys/devices/system/cpu/cpufreq/x\n"}, map[string]uint64{"cpu-throttled/cpu0": 0}, Warn, "CPUThrottled"},
	{"kubelet-certificates", "fresh", []string{"var/lib/kubelet/pki/kubelet-client-current.pem\n" + pemOf(-10, 90)}, nil, Pass, ""},
	{"kubelet-certificates", "not renewed", []string{"var/lib/kubelet/pki/kubelet-client-current.pem\n" + pemOf(-95, 5)}, nil, Warn, "CertificateNotRenewed"},
	{"kubelet-certificates", "run out", []string{"var/lib/kubelet/pki/kubelet-client-current.pem\n" + pemOf(-95, 60), "var/lib/kubelet/pki/kubelet-server-current.pem\n" + pemOf(-95, -1)}, nil, Fail, "CertificateNotRenewed"},
	{"kubelet-certificates", "garbage", []string{"var/lib/kubelet/pki/kubelet-client-current.pem\nhello"}, nil, Unknown, ReasonUnreadable},
	{"kubelet-certificates", "no kubelet", []string{"var/lib/x\n"}, nil, Skip, ReasonNotApplicable},
}

// pemOf is a certificate that is valid between two days from now.
func pemOf(from, to int) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(0, 0, from), NotAfter: time.Now().AddDate(0, 0, to)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// host writes the story's files out; spoil may change one on its way.
func (s hostStory) host(t *testing.T, spoil func(i int, data string) string) *Host {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc/1"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, f := range s.files {
		path, data, _ := strings.Cut(f, "\n")
		write(t, filepath.Join(root, path), []byte(spoil(i, data)))
	}
	h, err := OpenHost(root)
	if err != nil {
		t.Fatal(err)
	}
	h.Statfs = func(string) (Usage, error) { return Usage{Device: "a", Bytes: 40 << 30, Free: 10 << 30}, nil }
	h.Kmsg = func() ([]byte, error) { return nil, &fs.PathError{Op: "syslog", Path: "kmsg", Err: fs.ErrPermission} }
	h.Boot = "boot-1"
	if s.before != nil {
		h.Before = &Tally{Boot: "boot-1", Time: time.Now().Add(-5 * time.Minute), Counts: s.before}
	}
	return h
}

func ask(t *testing.T, h *Host, check string) Finding {
	t.Helper()
	return examineHostWith(t.Context(), h, Policy{}.withDefaults(), named(t, check)).Nodes[0].Findings[0]
}

func whole(_ int, data string) string { return data }

func TestHostChecks(t *testing.T) {
	for _, s := range hostStories {
		t.Run(s.check+"/"+s.name, func(t *testing.T) {
			f := ask(t, s.host(t, whole), s.check)
			if f.State != s.state || f.Reason != s.reason {
				t.Fatalf("got %s %s %q, want %s %s", f.State, f.Reason, f.Message, s.state, s.reason)
			}
			if (f.State == Fail || f.State == Warn) && (f.Message == "" || f.Remedy == "") {
				t.Errorf("a finding without a message or a remedy: %+v", f)
			}
			if strings.ContainsRune(f.Message, '\x1b') {
				t.Errorf("an escape sequence reached the message: %q", f.Message)
			}
		})
	}
}

// A host that boots anew, or is looked at for the first time, is compared with
// nothing.
func TestCountersBeginAnewAtBoot(t *testing.T) {
	for _, s := range hostStories {
		if len(s.before) == 0 || s.check == fsErrors.ID {
			continue
		}
		h := s.host(t, whole)
		h.Boot = "boot-2"
		if f := ask(t, h, s.check); f.State == Warn || f.State == Fail {
			t.Errorf("%s/%s: counters of an earlier boot were compared: %+v", s.check, s.name, f)
		}
	}
}

// What was counted clears at the next run that counts no more.
func TestCountersClear(t *testing.T) {
	for _, s := range hostStories {
		if s.state != Warn && s.state != Fail || len(s.before) == 0 || s.check == fsErrors.ID || s.check == uninterruptible.ID {
			continue
		}
		h := s.host(t, whole)
		next := h.next(time.Now(), []Finding{ask(t, h, s.check)})
		h.Before = &next
		if f := ask(t, h, s.check); f.State != Pass {
			t.Errorf("%s/%s does not clear: %+v", s.check, s.name, f)
		}
	}
}

// The kubelet's link is absolute: below another root it leads to the reader's own
// files, or nowhere.
func TestCertificateBehindAnAbsoluteLink(t *testing.T) {
	h := hostStory{files: []string{"var/lib/kubelet/pki/kubelet-client-2026.pem\n" + pemOf(-99, 1)}}.host(t, whole)
	if err := os.Symlink("/var/lib/kubelet/pki/kubelet-client-2026.pem", filepath.Join(h.Root, "var/lib/kubelet/pki/kubelet-client-current.pem")); err != nil {
		t.Fatal(err)
	}
	if f := ask(t, h, kubeletCertificates.ID); f.State != Fail {
		t.Errorf("a certificate with a day of a hundred left: %+v", f)
	}
}

func TestZombies(t *testing.T) {
	s := hostStory{}
	for i := range 100 {
		s.files = append(s.files, fmt.Sprintf("proc/%d/stat\n%d (sh) Z", i+100, i+100)+stat)
	}
	h := s.host(t, whole)
	if f := ask(t, h, zombies.ID); f.State != Warn || f.Observed != "100 zombies" {
		t.Errorf("a hundred: %+v", f)
	}
	if err := os.RemoveAll(filepath.Join(h.Root, "proc/100")); err != nil {
		t.Fatal(err)
	}
	if f := ask(t, h, zombies.ID); f.State != Pass {
		t.Errorf("one less: %+v", f)
	}
}

// Checks know nothing of each other: in another order they find the same.
func TestOrderOfHostChecksDoesNotMatter(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/host/healthy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := openFixture(t, archive)
	found := func(checks []Check) map[string]string {
		out := map[string]string{}
		for _, f := range examineHostWith(t.Context(), h, Policy{}.withDefaults(), checks).Nodes[0].Findings {
			out[f.Check] = fmt.Sprint(f.State, f.Reason, f.Message, f.Observed, f.Counts)
		}
		return out
	}
	backwards := HostChecks()
	slices.Reverse(backwards)
	if diff := cmp.Diff(found(HostChecks()), found(backwards)); diff != "" {
		t.Error(diff)
	}
}

// Whatever happens to its files, a check answers in time, and does not say that
// all is well where it said the opposite.
func TestHostChecksOnSpoiltFiles(t *testing.T) {
	spoilers := map[string]func(string) string{
		"empty":   func(string) string { return "" },
		"half":    func(s string) string { return s[:len(s)/2] },
		"binary":  func(string) string { return "\x00\xff\x1b[2J\xfe" },
		"endless": func(s string) string { return strings.Repeat("9", maxRead+10) },
		"hostile": func(s string) string { return "-1 " + strings.Repeat("x ", 1000) },
	}
	for _, s := range hostStories {
		for how, spoil := range spoilers {
			for i := range s.files {
				if how == "endless" && i > 0 {
					continue // a megabyte each; one shows the bound
				}
				h := s.host(t, func(j int, data string) string {
					if i == j {
						return spoil(data)
					}
					return data
				})
				f := ask(t, h, s.check)
				if f.Reason == ReasonPanicked || f.Reason == ReasonTimedOut {
					t.Errorf("%s/%s with file %d %s: %s %s", s.check, s.name, i, how, f.Reason, f.Message)
				}
				if len(f.Message) > maxText || strings.ContainsAny(f.Message+f.Observed, "\x1b\x00\n") {
					t.Errorf("%s/%s with file %d %s: unbounded or unclean: %q", s.check, s.name, i, how, f.Message)
				}
			}
		}
	}
}

// Every check of the host has a story or a fixture in which it does more than
// pass.
func TestEveryHostCheckHasAStory(t *testing.T) {
	told := map[string]bool{
		zombies.ID:       true,                          // it takes a hundred: see TestZombies
		runtimeStatus.ID: true, runtimeCreates.ID: true, // TestRuntimeChecks
		oracleDoctor.ID: true, // TestOracleDoctor
	}
	for _, s := range hostStories {
		told[s.check] = told[s.check] || s.state > Pass
	}
	for _, s := range probeStories {
		told[s.check] = told[s.check] || s.state > Pass
	}
	fixtures, err := filepath.Glob("testdata/host/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range fixtures {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range HostChecks() {
			for _, s := range []State{Info, Warn, Fail} {
				told[c.ID] = told[c.ID] || strings.Contains(string(data), "\n"+s.String()+" "+c.ID+" ")
			}
		}
	}
	for _, c := range HostChecks() {
		if !told[c.ID] {
			t.Errorf("no story in which %s does more than pass", c.ID)
		}
	}
}

func TestTallyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tally.json")
	s := hostStory{files: []string{"proc/vmstat\noom_kill 7", "proc/sys/kernel/random/boot_id\nb1"}}
	o := HostOptions{Root: s.host(t, whole).Root, State: path}
	state := func() Finding {
		t.Helper()
		r, err := ExamineHost(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Nodes[0].Findings {
			if f.Check == oomKills.ID {
				return f
			}
		}
		return Finding{}
	}
	if f := state(); f.Reason != "CountedSinceBoot" {
		t.Errorf("the first run: %+v", f)
	}
	write(t, filepath.Join(o.Root, "proc/vmstat"), []byte("oom_kill 17"))
	if f := state(); f.State != Warn {
		t.Errorf("ten kills later: %+v", f)
	}
	write(t, filepath.Join(o.Root, "proc/vmstat"), []byte("garbage"))
	if f := state(); f.State != Unknown {
		t.Errorf("a blind run: %+v", f)
	}
	write(t, filepath.Join(o.Root, "proc/vmstat"), []byte("oom_kill 27"))
	if f := state(); f.State != Warn {
		t.Errorf("ten kills during a blind run are lost: %+v", f)
	}
	write(t, path, []byte("damaged"))
	if f := state(); f.Reason != "CountedSinceBoot" {
		t.Errorf("after a damaged file: %+v", f)
	}
	o.State = filepath.Join(t.TempDir(), "no", "such", "directory")
	if r, err := ExamineHost(t.Context(), o); err == nil || len(r.Nodes) != 1 {
		t.Errorf("a state file that cannot be written: %v, %d nodes", err, len(r.Nodes))
	}
}
