package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"runtime/debug"
)

// realStderr is the stderr to talk to people on. File descriptor 2 itself goes
// through a sieve from now on: the API server's etcd client opens a logger on it
// before main runs, which cannot be redirected, and complains on it about every
// call that a ctrl-C cuts off. Crash reports are not sieved.
//
// Where the descriptor cannot be replaced, stderr stays what it is.
func realStderr() *os.File {
	read, write, err := os.Pipe()
	if err != nil {
		return os.Stderr
	}
	fd, err := replaceStderr(write)
	if err != nil {
		return os.Stderr
	}
	real := os.NewFile(uintptr(fd), "stderr")
	_ = debug.SetCrashOutput(real, debug.CrashOptions{})
	go sieve(real, read)
	return real
}

// sieve copies line by line all but the etcd client's.
func sieve(w io.Writer, r io.Reader) {
	for reader := bufio.NewReader(r); ; {
		line, err := reader.ReadBytes('\n')
		if !bytes.Contains(line, []byte(`"logger":"etcd-client"`)) {
			_, _ = w.Write(line)
		}
		if err != nil {
			return
		}
	}
}
