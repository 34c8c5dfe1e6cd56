package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// turnovers are runs of package cycle's own loop on a virtual clock, twelve
// minutes a node and 100 nodes at once. The clock is testing/synctest's, which
// only a test can turn: the workload runs that test, and prints what it measured.
//
// virtual_hours is the time on that clock; the pipelined bound is 4 h.
// oci_writes_per_node are changes asked of the cloud. pool_bytes is the largest
// the Pool object became, and decide is what one decision takes on this machine.
func turnovers() []workload {
	return []workload{
		{"cycle/2000", "2,000 nodes turned over, 100 at once, on a virtual clock", turnOver("punctual")},
		{"cycle/2000-stragglers", "the same, and one node in a hundred takes an hour to drain", turnOver("stragglers")},
	}
}

func turnOver(variant string) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		cmd := exec.CommandContext(ctx, "go", "test", "github.com/tidemill/tidemill/cycle", "-run", "^TestFigures$/^"+variant+"$",
			"-figures", "2000", "-count=1", "-v", "-timeout", "30m")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, b.stderr
		err := cmd.Run()
		if n := b.figures(name, &out); n == 0 || err != nil {
			return fmt.Errorf("run the test of package cycle: %d figures, %v", n, err)
		}
		return nil
	}
}

// figures prints the lines "figure metric value unit" of a test's output, and
// says how many there were.
func (b *bench) figures(name string, out *bytes.Buffer) int {
	count := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 4 && f[0] == "figure" {
			b.figure(name, f[1], f[2], f[3])
			count++
		}
	}
	return count
}
