package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// The linker sets both in a release: -ldflags "-X main.version=1.2.3 -X main.revision=...".
// Other builds are named by what the go command writes into every binary.
var (
	version  = "devel"
	revision = ""
)

// build is what this binary is.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild is what the linker was told, and else what the binary says of itself.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	b := named(version, revision, info)
	b.Go, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	return b
}

// named is a build's version and revision:
//
//	a release                      1.2.3 and its commit, by the linker
//	go install or build, checkout  v0.0.0-DATE-COMMIT or the tag, "+dirty" after it where files
//	                               were changed, and the commit, by -buildvcs
//	go install MODULE@v1.2.3       v1.2.3, without a commit
//	-buildvcs=false                devel
func named(version, revision string, info *debug.BuildInfo) build {
	b := build{Version: version, Revision: revision}
	if version != "devel" {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if b.Revision != "" {
		b.Revision += dirty
	}
	return b
}

// buildInfo is the metric that says which version runs.
func buildInfo() prometheus.Collector {
	b := thisBuild()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tidemill_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.Go},
	})
	g.Set(1)
	return g
}

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		Example: fmt.Sprintf("  %[1]s version\n  %[1]s version -o json | jq -r .revision", g.name),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if g.structured() {
				return g.print(b)
			}
			revision := ""
			if b.Revision != "" {
				revision = " " + b.Revision
			}
			_, err := fmt.Fprintf(g.stdout, "tidemill %s%s (%s, %s)\n", b.Version, revision, b.Go, b.Platform)
			return err
		},
	}
}
