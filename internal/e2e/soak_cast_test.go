package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tidemill/tidemill/internal/playground"
)

// replica is one of the daemon's two pods: a process, its own ways to the API
// server and to the cloud, and a kubelet that starts it again.
type replica struct {
	name    string
	daemon  *Daemon
	api     *playground.Door
	cloud   *playground.Door
	metrics string

	mu      sync.Mutex
	lives   int
	spells  int       // of leading or waiting in this life
	born    time.Time // the spell
	leads   bool
	frozen  bool
	exits   int // that nobody asked for: a leader that lost its Lease ends
	stopped bool
}

// newReplica makes a replica that is not started yet.
func newReplica(ctx context.Context, e *Env, name, metrics string) (*replica, error) {
	host := strings.TrimPrefix(e.Cluster.RESTConfig().Host, "https://")
	api, err := playground.NewDoor(host)
	if err != nil {
		return nil, err
	}
	cloud, err := playground.NewDoor(strings.TrimPrefix(e.Cluster.OCIEndpoint(), "http://"))
	if err != nil {
		return nil, err
	}
	kubeconfig, err := e.Cluster.ServiceAccountKubeconfig(ctx, namespace, serviceAccount)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	own := kubeconfig + "-" + name
	if err := os.WriteFile(own, []byte(strings.ReplaceAll(string(text), host, api.Address())), 0o600); err != nil {
		return nil, err
	}
	dir := filepath.Join(e.Dir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	env := append(e.cloudEnv(), "TIDEMILL_OCI_ENDPOINT=http://"+cloud.Address())
	return &replica{name: name, api: api, cloud: cloud, metrics: metrics, daemon: NewDaemon(e.options.Tidemill, dir, env, soakArgs(own, metrics)...)}, nil
}

// soakArgs are the daemon's own defaults, but for the waits of minutes that an
// hour has no time for.
func soakArgs(kubeconfig, metrics string) []string {
	return []string{
		"run", "--kubeconfig", kubeconfig, "--namespace", namespace, "--interval", "2s", "--cloud-refresh", "1s",
		"--scale-down-young", "10s", "--metrics-address", metrics, "--health-address", "0",
		"--max-node-provision-time", "90s", "--initial-node-group-backoff-duration", "20s", "--max-node-group-backoff-duration", "60s",
		"--node-group-backoff-reset-timeout", "2m",
	}
}

// start begins a life, unless there is one.
func (r *replica) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.daemon.mu.Lock()
	alive := r.daemon.life != nil && !r.daemon.life.over()
	r.daemon.mu.Unlock()
	if alive || r.stopped {
		return nil
	}
	if err := r.daemon.Start(); err != nil {
		return err
	}
	r.lives, r.spells, r.born, r.frozen, r.leads = r.lives+1, 0, time.Now(), false, false
	return nil
}

// keep is the kubelet: what has ended by itself is started again after a moment.
func (r *replica) keep(ctx context.Context, say func(string, ...any)) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.daemon.Err(); err != nil {
			r.mu.Lock()
			r.exits++
			r.mu.Unlock()
			say("replica %s: %v; started again", r.name, err)
			if err := r.start(); err != nil {
				say("replica %s: %v", r.name, err)
			}
		}
	}
}

// freeze stops the process in its tracks, as a hypervisor does, or lets it go on.
func (r *replica) freeze(frozen bool) error {
	sig := syscall.SIGCONT
	if frozen {
		sig = syscall.SIGSTOP
	}
	r.daemon.mu.Lock()
	defer r.daemon.mu.Unlock()
	if r.daemon.life == nil {
		return nil
	}
	r.mu.Lock()
	r.frozen = frozen
	r.mu.Unlock()
	if err := r.daemon.life.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal replica %s: %w", r.name, err)
	}
	return nil
}

// look is the replica's sample of this moment.
func (r *replica) look(ctx context.Context) (sample, error) {
	r.mu.Lock()
	life, frozen := r.lives, r.frozen
	r.mu.Unlock()
	if frozen {
		return sample{}, errors.New("it is frozen")
	}
	s, err := weigh(ctx, r.metrics)
	if err != nil {
		return s, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lives != life {
		return s, errors.New("it was started anew meanwhile")
	}
	if s.Leader != r.leads {
		r.leads, r.spells, r.born = s.Leader, r.spells+1, time.Now()
	}
	s.Replica, s.Life, s.Spell, s.Age = r.name, life, r.spells, time.Since(r.born)
	return s, nil
}

func (r *replica) stop() error {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	return errors.Join(r.freeze(false), r.daemon.Stop(), r.api.Close(), r.cloud.Close())
}

// complaints are the lines of the replica's log that no fault of the world excuses.
func (r *replica) complaints() ([]string, error) {
	text, err := os.ReadFile(r.daemon.Log())
	if err != nil {
		return nil, fmt.Errorf("read log of replica %s: %w", r.name, err)
	}
	var bad []string
	for line := range strings.Lines(string(text)) {
		for _, word := range []string{"panic:", "fatal error:", "Observed a panic", "concurrent map"} {
			if strings.Contains(line, word) {
				bad = append(bad, strings.TrimSpace(line))
			}
		}
	}
	return bad, nil
}
