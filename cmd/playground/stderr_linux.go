package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// replaceStderr puts f under file descriptor 2 and returns the descriptor under
// which the old stderr lives on.
func replaceStderr(f *os.File) (int, error) {
	old, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return 0, err
	}
	return old, unix.Dup3(int(f.Fd()), 2, 0)
}
