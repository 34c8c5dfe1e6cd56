// Command ship makes what users install, without a container engine and without
// anything from outside but Go modules:
//
//	sources ─► static binary per platform ─┬─► image: an OCI layout with an index over the platforms
//	                                       └─► release: archives, chart, manifests, install.yaml, SBOMs, checksums
//	                                     both ─► provenance: which commit, toolchain and settings they are from
//
// Everything is a function of the commit and the version: times are fixed, lists
// are sorted, paths are trimmed, settings of the shell that would change code are
// overruled. Two runs on two machines with one toolchain give the same bytes, so
// that whoever doubts a release can make it again. What a build took is told on
// stderr only.
//
//	go run ./ship image   -out DIR [-version V] [-revision COMMIT] [-platforms linux/amd64,linux/arm64]
//	go run ./ship release -out DIR [-version V] [-revision COMMIT] [-platforms ...]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ship: error:", err)
		os.Exit(1)
	}
}

// order is what was asked for.
type order struct {
	root      string // of the repository
	out       string
	version   string
	revision  string // the commit, with "-dirty" after it where the tree is not that commit's; empty where it is not known
	platforms []platform
	answer    string // a file with what govulncheck said; empty where it was not asked
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "image" && args[0] != "release" {
		return fmt.Errorf("usage: ship image|release -out DIR [-version V] [-platforms os/arch,...]")
	}
	flags := flag.NewFlagSet("ship", flag.ContinueOnError)
	root := flags.String("root", "../..", "the repository")
	out := flags.String("out", "", "where to; must be empty or absent")
	version := flags.String("version", "0.0.0-dev", "semantic version, without a leading v")
	revision := flags.String("revision", "", "the `commit` that the sources are of, where there is no git checkout to ask")
	answer := flags.String("vulnerabilities", "", "a `file` with govulncheck's answer, for the notes; without it they say that it was not asked")
	list := flags.String("platforms", map[string]string{
		"image": "linux/amd64,linux/arm64", "release": "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64",
	}[args[0]], "which `platforms`")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	o := order{version: *version, revision: *revision, answer: *answer}
	var err error
	if o.platforms, err = parsePlatforms(*list); err != nil {
		return err
	}
	if !semantic.MatchString(o.version) {
		return fmt.Errorf("version %q is not semantic (1.2.3, 1.2.3-rc.1)", o.version)
	}
	if o.root, err = filepath.Abs(*root); err != nil {
		return err
	}
	if err := o.source(ctx); err != nil {
		return err
	}
	if o.out, err = emptyDir(*out); err != nil {
		return err
	}
	if args[0] == "image" {
		return o.image(ctx)
	}
	return o.release(ctx)
}

// emptyDir refuses to mix what is made now with what lay there before.
func emptyDir(path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("-out is not given")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty", path)
	}
	return path, os.MkdirAll(path, 0o755)
}

// say tells what is going on; what is made goes to files.
func say(format string, args ...any) {
	fmt.Fprintln(os.Stderr, "ship:", strings.TrimSpace(fmt.Sprintf(format, args...)))
}
