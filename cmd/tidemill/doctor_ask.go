package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/bundle"
)

// askFlags are those of what is asked beyond the API server's own objects.
type askFlags struct {
	kubelet string
	console bool

	consoles map[string]doctor.Console // what was read, for bundles
}

// ways are the values of --kubelet.
var ways = []string{"auto", "proxy", "direct", "off"}

func (f *askFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.kubelet, "kubelet", "auto", "ask kubelets themselves: proxy (through the API server; takes nodes/proxy), direct (at port 10250; takes nodes/healthz, configz, metrics), off, or auto: proxy for named nodes, else off")
	s.BoolVar(&f.console, "console", false, "read the serial console of the named nodes or instances: OCI takes a copy, which is removed again; takes CONSOLE_HISTORY_CREATE")
}

func (f *askFlags) check(names []string) error {
	if !slices.Contains(ways, f.kubelet) {
		return usage(fmt.Errorf("--kubelet %q is none of auto, proxy, direct, off", f.kubelet))
	}
	if f.console && len(names) == 0 {
		return usage(errors.New("--console needs the names of nodes, or OCIDs of instances"), "kubectl get nodes lists them")
	}
	return nil
}

// options are what the flags add to an examination of the named, or of all.
func (f *askFlags) options(config *rest.Config, names []string, o *doctor.ExamineOptions) (err error) {
	o.Names = names
	switch {
	case f.kubelet == "direct":
		o.Kubelets, err = doctor.Directly(config)
	case f.kubelet == "proxy", f.kubelet == "auto" && len(names) > 0:
		o.Kubelets, err = doctor.ThroughProxy(config)
	}
	if f.console {
		o.Console, o.OnConsole = names, func(read map[string]doctor.Console) { f.consoles = read }
	}
	return err
}

// consoleFile is a node's console for its bundle, if it was read.
func (f *askFlags) consoleFile(node string) []bundle.File {
	c, read := f.consoles[node]
	if !read {
		return nil
	}
	file := bundle.File{Name: "cloud/console.txt", Data: c.Text}
	if c.Err != nil {
		file.Err = c.Err.Error()
	}
	return []bundle.File{file}
}

// showConsoles prints the end of each console after the report, for people: its
// last lines are the reason why it was asked for.
func (f *askFlags) showConsoles(w io.Writer, names []string) {
	const lines = 20
	for _, name := range names {
		c := f.consoles[name]
		if len(c.Text) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nconsole of %s, the last lines:\n", name)
		for _, line := range doctor.ConsoleTail(c.Text, lines) {
			fmt.Fprintf(w, "  | %s\n", line)
		}
	}
}

// residentKubelets is how the daemon asks kubelets: in turn, and never for long,
// since its look at everything else waits meanwhile.
func residentKubelets(way string, config *rest.Config) (k *doctor.Kubelets, err error) {
	switch way {
	case "direct":
		k, err = doctor.Directly(config)
	case "proxy":
		k, err = doctor.ThroughProxy(config)
	}
	if k != nil {
		k.AtOnce, k.Parallel, k.Timeout, k.Budget = 60, 20, 2*time.Second, 4*time.Second
	}
	return k, err
}
