package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// statfs can hang for ever on a dead file server; the Runner bounds it.
func statfs(path string) (Usage, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Usage{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	block := uint64(st.Frsize)
	return Usage{
		Device: fmt.Sprint(st.Fsid.Val), Bytes: (st.Blocks - st.Bfree + st.Bavail) * block, Free: st.Bavail * block,
		Size: st.Blocks * block, Files: st.Files, FilesFree: st.Ffree,
	}, nil
}

// kernelClock reads with modes 0, which needs no privilege. The clock belongs
// to the kernel: a container sees the host's.
func kernelClock() (ClockState, error) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return ClockState{}, fmt.Errorf("adjtimex: %w", err)
	}
	return ClockState{Synced: t.Status&unix.STA_UNSYNC == 0, MaxError: time.Duration(t.Maxerror) * time.Microsecond}, nil
}

// kernelLog reads the whole ring buffer and takes nothing out of it. Without
// CAP_SYSLOG, where kernel.dmesg_restrict is set, it is refused.
func kernelLog() ([]byte, error) {
	const readAll, size = 3, 10 // SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_SIZE_BUFFER
	n, err := unix.Klogctl(size, nil)
	if err != nil {
		return nil, fmt.Errorf("syslog(2): %w", err)
	}
	buf := make([]byte, min(n, maxKernelLog))
	if n, err = unix.Klogctl(readAll, buf); err != nil {
		return nil, fmt.Errorf("syslog(2): %w", err)
	}
	return buf[:n], nil
}

// maxKernelLog bounds what is taken of a log_buf_len of any size; the newest
// lines are what a shorter buffer gets.
const maxKernelLog = 4 << 20
