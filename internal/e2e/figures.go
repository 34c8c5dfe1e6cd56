package e2e

import (
	"fmt"
	"slices"
	"time"
)

// Figures are what the story measures on its way. A zero field was not measured.
type Figures struct {
	// PendingToResize is from the creation of a pod that fits nowhere to the
	// larger size in the cloud.
	PendingToResize time.Duration
	// PendingToRunning is until the last of those pods runs; the emulated cloud's
	// own latency is in it.
	PendingToRunning time.Duration
	// PerNode is a turn-over's time divided by its nodes, and CallsPerNode the
	// requests to the cloud, reads included, divided likewise.
	PerNode      time.Duration
	CallsPerNode float64
	// RSS is the daemon's resident memory in bytes, at its largest.
	RSS int64
}

// Line is one figure as it is printed.
type Line struct{ Name, Value, Unit string }

// Lines are the figures that were measured.
func (f Figures) Lines() []Line {
	var lines []Line
	add := func(measured bool, name, value, unit string) {
		if measured {
			lines = append(lines, Line{name, value, unit})
		}
	}
	add(f.PendingToResize > 0, "pending to resize", Seconds(f.PendingToResize), "s")
	add(f.PendingToRunning > 0, "pending to running", Seconds(f.PendingToRunning), "s")
	add(f.PerNode > 0, "per cycled node", Seconds(f.PerNode), "s")
	add(f.CallsPerNode > 0, "OCI calls per cycled node", fmt.Sprintf("%.1f", f.CallsPerNode), "calls")
	add(f.RSS > 0, "memory of the daemon", Megabytes(f.RSS), "MB")
	return lines
}

// Seconds formats a duration with two digits after the point.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// Megabytes formats bytes in units of 1,000,000.
func Megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// Median of an even number of values is the lower of the two in the middle; the
// zero value of none.
func Median[T int64 | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// weigh keeps the largest memory seen.
func (s *Stage) weigh() {
	if rss, err := s.Daemon.RSS(); err == nil {
		s.Figures.RSS = max(s.Figures.RSS, rss)
	}
}
