//go:build !linux

package doctor

import "errors"

// The command runs on a workstation too, where nodes are examined over the API
// and there is no node to examine from inside.
var errNotLinux = errors.New("this is no Linux host")

func statfs(string) (Usage, error) { return Usage{}, errNotLinux }

func kernelClock() (ClockState, error) { return ClockState{}, errNotLinux }

func kernelLog() ([]byte, error) { return nil, errNotLinux }
