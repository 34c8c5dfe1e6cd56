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
