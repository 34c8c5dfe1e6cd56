package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/autoscaler"
	"github.com/tidemill/tidemill/internal/okesim"
)

// plugins are the workloads of the plugin for the stock cluster-autoscaler: the
// real command as a process, an emulated cloud, and a client that makes the calls
// of its loop one after the other.
func plugins() []workload {
	return []workload{{"plugin/loop-2000", "one loop of cluster-autoscaler at 2,000 nodes in 50 pools, and what the plugin's process holds then", pluginLoop}}
}

// pluginLoop measures two processes: one that looks at the cloud once and never
// again, so that each request to it in a loop would be a reader's, and one that
// looks each second, so that its memory is that of a life and not of a start.
func pluginLoop(ctx context.Context, b *bench, name string) error {
	binary, err := b.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := openPluginWorld(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.with(ctx, binary, "1h", func(client *autoscaler.Autoscaler, _ int) error { return w.loops(ctx, b, name, client) }); err != nil {
		return err
	}
	return w.with(ctx, binary, "1s", func(client *autoscaler.Autoscaler, pid int) error { return w.memory(ctx, b, name, client, pid) })
}

// with runs the plugin for as long as do takes.
func (w *pluginWorld) with(ctx context.Context, binary, refresh string, do func(*autoscaler.Autoscaler, int) error) error {
	process := exec.CommandContext(ctx, binary, append(w.args, "--cloud-refresh", refresh)...)
	var said bytes.Buffer
	process.Stderr = &said
	if err := process.Start(); err != nil {
		return fmt.Errorf("start plugin: %w", err)
	}
	defer func() {
		_ = process.Process.Signal(os.Interrupt)
		_ = process.Wait()
	}()
	client, err := autoscaler.Dial(w.socket)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := firstLoop(ctx, client, w.nodes); err != nil {
		_ = process.Process.Kill()
		_ = process.Wait()
		return fmt.Errorf("%w\n%s", err, said.String())
	}
	return do(client, process.Process.Pid)
}

// firstLoop waits until the plugin has looked.
func firstLoop(ctx context.Context, client *autoscaler.Autoscaler, nodes []autoscaler.Node) (err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err = client.Read(ctx, nodes); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("wait for the plugin: %w", err)
}

// rounds is how many loops are measured.
const rounds = 20

func (w *pluginWorld) loops(ctx context.Context, b *bench, name string, client *autoscaler.Autoscaler) error {
	var took time.Duration
	client.Calls = 0
	before := total(w.region.sim.Calls())
	for range rounds {
		begin := time.Now()
		if err := client.Read(ctx, w.nodes); err != nil {
			return err
		}
		took += time.Since(begin)
	}
	b.figure(name, "loop", milliseconds(took/rounds), "ms")
	b.figure(name, "rpcs", fmt.Sprint(client.Calls/rounds), "count")
	b.figure(name, "oci_calls", fmt.Sprint(total(w.region.sim.Calls())-before), "count")
	return nil
}

// pluginStart is how long the start takes at most.
const pluginStart = 5 * time.Second

// memory prints the highest resident size after a loop, of the start and of the
// life that follows, and how much of the latter is pages of the binary, which the
// kernel takes back when it needs them.
func (w *pluginWorld) memory(ctx context.Context, b *bench, name string, client *autoscaler.Autoscaler, pid int) error {
	start, life, file := 0, 0, 0
	begin := time.Now()
	for measured := 0; measured < rounds; {
		if err := client.Read(ctx, w.nodes); err != nil {
			return err
		}
		all, err1 := resident(pid, "VmRSS")
		mapped, err2 := resident(pid, "RssFile")
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if time.Since(begin) < pluginStart {
			start = max(start, all)
			continue
		}
		if measured++; all > life {
			life, file = all, mapped
		}
	}
	b.figure(name, "rss", fmt.Sprint(life>>10), "MiB")
	b.figure(name, "rss_of_the_binary", fmt.Sprint(file>>10), "MiB")
	b.figure(name, "rss_at_the_start", fmt.Sprint(start>>10), "MiB")
	return nil
}

func total(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// resident reads a size in KiB from what the kernel says of a process.
func resident(pid int, field string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the plugin: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return 0, fmt.Errorf("read memory of the plugin: the kernel does not tell %s", field)
}

// pluginWorld is a cloud with 2,000 machines, an API server with their Nodes, and
// the command line that leads to both.
type pluginWorld struct {
	region *region
	nodes  []autoscaler.Node
	args   []string
	socket string
	close  func()
}

func openPluginWorld(ctx context.Context) (*pluginWorld, error) {
	dir, err := os.MkdirTemp("", "tidemill-bench-plugin-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	sim := okesim.New(okesim.Options{PageSize: 1000, Latency: okesim.Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: -1}})
	cloud := httptest.NewServer(sim)
	api := &nodeAPI{}
	kubernetes := httptest.NewServer(api)
	w := &pluginWorld{region: &region{sim: sim, cluster: sim.AddCluster(okesim.Cluster{Name: "bench"})}, socket: "unix://" + filepath.Join(dir, "s")}
	w.close = func() {
		kubernetes.CloseClientConnections() // watches do not end by themselves
		kubernetes.Close()
		cloud.Close()
		sim.Close()
		_ = os.RemoveAll(dir)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	config, err1 := sim.NewCredentials(dir, cloud.URL)
	err2 := os.WriteFile(kubeconfig, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":%q}}],
"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u"}]}`, kubernetes.URL), 0o600)
	w.args = []string{"provider", "--oci-config", config, "--oci-endpoint", cloud.URL, "--cluster-id", w.region.cluster, "--compartment-id", sim.Compartment(),
		"--kubeconfig", kubeconfig, "--metrics-addr", "0", "--listen", w.socket}
	if err := errors.Join(err1, err2, w.fill(ctx)); err != nil {
		w.close()
		return nil, err
	}
	api.nodes = w.nodes
	return w, nil
}

// fill makes 50 pools of 40 machines each.
func (w *pluginWorld) fill(ctx context.Context) error {
	for i := range 50 {
		id, err := w.region.add(ctx, fmt.Sprintf("pool-%02d", i), 40)
		if err != nil {
			return err
		}
		v, err := w.region.sim.Pool(string(id))
		if err != nil {
			return fmt.Errorf("look at pool: %w", err)
		}
		for j, n := range v.Nodes {
			w.nodes = append(w.nodes, autoscaler.Node{Name: fmt.Sprintf("10.0.%d.%d", i, j), ProviderID: n.ID, Labels: map[string]string{"kubernetes.io/os": "linux"}})
		}
		w.args = append(w.args, "--nodes", "0:100:"+string(id))
	}
	return nil
}
