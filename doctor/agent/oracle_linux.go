package agent

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// maxOutput is what is kept of what the script prints; it prints a page.
const maxOutput = 256 << 10

// oracleScript runs Oracle's script as if the host's root were ours. The script
// starts others: all of its group end with ctx.
func oracleScript(ctx context.Context, root string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/usr/local/bin/node-doctor.sh", "--check")
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "LC_ALL=C", "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if root != "/" {
		cmd.SysProcAttr.Chroot = root
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &bounded{}
	cmd.Stdout, cmd.Stderr = out, out
	// Its exit code is 0 whatever it finds; another one says that it did not run.
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run node-doctor.sh: %w: %.200s", err, out.kept.Bytes())
	}
	return out.kept.Bytes(), nil
}

// bounded keeps the beginning of what is written to it. The buffer is not
// embedded: its ReadFrom would take everything.
type bounded struct{ kept bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
