package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// Host is a machine seen through its file system, which may be mounted
// elsewhere: /host in a pod that has the node's root read-only. Nothing else is
// read, nothing is written, no command is run.
type Host struct {
	// Name is the host's own name.
	Name string
	// Root is the directory that stands for the host's /.
	Root string
	// FS is the tree below Root; paths have no leading slash.
	FS fs.FS
	// Proc is the host's /proc, and Init the view of its first process: the
	// host's mounts and network, whichever namespaces this process is in.
	Proc, Init procfs.FS
	// Statfs measures the file system that holds a path below Root; Clock asks
	// the kernel about its clock. No file answers
	// these.
	Statfs func(path string) (Usage, error)
	Clock  func() (ClockState, error)
	// Kmsg is the kernel's log as syslog(2) gives it.
	Kmsg func() ([]byte, error)
	// Probes, Runtime and Oracle ask others: the network, the container runtime,
	// Oracle's script. Each is nil unless it was asked for.
	Probes  *Probes
	Runtime func(context.Context) (RuntimeState, error)
	Oracle  func(context.Context) ([]byte, error)
	// Boot tells one run of the kernel from the next; "" when it is not known,
	// and then no counter is compared. Before is the last run, nil for none.
	Boot   string
	Before *Tally

	// kernel is the log, read once for all checks on it.
	kernel struct {
		once  sync.Once
		lines []KernelLine
		err   error
	}
}

// Usage is how full a file system is. Free is what an unprivileged writer may
// still use, as df counts.
type Usage struct {
	Device      string // tells file systems apart
	Bytes, Free uint64
	// Size is Bytes and what is kept for root, which may be much.
	Size      uint64
	Files     uint64 // 0 when the file system makes inodes as it needs them
	FilesFree uint64
}

// ClockState is what the kernel says about its clock.
type ClockState struct {
	// Synced is false while nobody disciplines the clock (STA_UNSYNC).
	Synced bool
	// MaxError is how far the clock may be off.
	MaxError time.Duration
}

// HostOptions choose the host.
type HostOptions struct {
	// Root is where the host's root is mounted; "" means /.
	Root string
	// State is a file in which the counters are kept from run to run; "" keeps
	// none, and counters are then told since boot.
	State string
	// Name is what the report calls the host; "" means its own name. An agent gives
	// the Node's, which may be another.
	Name string
	// Checks are what is looked at; nil means HostChecks.
	Checks []Check
	// Probes, Runtime and Oracle are the Host's.
	Probes  *Probes
	Runtime func(context.Context) (RuntimeState, error)
	Oracle  func(context.Context) ([]byte, error)
	// Policy's CheckTimeout bounds each check.
	Policy Policy
}

// OpenHost opens the host whose root is at root. It fails when there is no
// /proc in it: then it is not a host's root.
func OpenHost(root string) (*Host, error) {
	if root == "" {
		root = "/"
	}
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return nil, fmt.Errorf("open host root %s: %w\nhint: --root names the directory where the node's / is mounted, such as /host", root, err)
	}
	init, err := procfs.NewFS(filepath.Join(root, "proc", "1"))
	if err != nil {
		return nil, fmt.Errorf("open host root %s: %w\nhint: the first process is not visible: mount the node's /proc, and without hidepid", root, err)
	}
	h := &Host{Root: root, FS: os.DirFS(root), Proc: proc, Init: init, Clock: kernelClock, Kmsg: kernelLog}
	h.Statfs = func(path string) (Usage, error) { return statfs(filepath.Join(root, path)) }
	h.Name = "host"
	if name, err := h.line("proc/sys/kernel/hostname"); err == nil && name != "" {
		h.Name = name
	}
	h.Boot, _ = h.line("proc/sys/kernel/random/boot_id") // unknown: nothing is compared
	return h, nil
}

// equip gives the host what the options add to it.
func (o HostOptions) equip(h *Host) {
	h.Name = or(o.Name, h.Name)
	h.Probes, h.Runtime, h.Oracle = o.Probes, o.Runtime, o.Oracle
}

// ExamineHost examines the machine this runs on. A host that cannot be opened
// is a report with its Err set, for which [Report.ExitCode] is 2. The error is
// about the state file alone: the report is whole without it.
func ExamineHost(ctx context.Context, o HostOptions) (Report, error) {
	return NewRounds(o).Examine(ctx)
}

func examineHost(ctx context.Context, h *Host, policy Policy) Report {
	return examineHostWith(ctx, h, policy, HostChecks())
}

func examineHostWith(ctx context.Context, h *Host, policy Policy, checks []Check) Report {
	now := time.Now()
	runner := &Runner{Checks: checks, Timeout: policy.CheckTimeout, OneShot: true}
	findings := runner.Examine(ctx, []Patient{{Now: now, Host: h}})
	return Report{Schema: Schema, Time: now, Nodes: []NodeReport{{Node: h.Name, Findings: findings[0]}}}
}
