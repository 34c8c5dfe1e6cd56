package main

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// semantic is semver.org's grammar without build metadata.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// platform is an operating system and an architecture as Go names them.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

func parsePlatforms(list string) ([]platform, error) {
	var out []platform
	for _, s := range strings.Split(list, ",") {
		system, arch, ok := strings.Cut(strings.TrimSpace(s), "/")
		if !ok || system != "linux" && system != "darwin" || arch != "amd64" && arch != "arm64" {
			return nil, fmt.Errorf("platform %q is not one of linux|darwin/amd64|arm64", s)
		}
		out = append(out, platform{system, arch})
	}
	return out, nil
}

// commands are what is shipped: the one command, and the small one that looks at
// a node from within.
var commands = []string{"tidemill", "tidemill-doctor"}

// builds makes all commands for one platform.
func (o order) builds(ctx context.Context, p platform, dir string) ([]string, error) {
	var paths []string
	for _, c := range commands {
		path, err := o.build(ctx, p, c, dir)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// settings overrule what the shell would add to a build: each of these changes
// the code that comes out, and with it the digests.
func (p platform) settings() []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOEXPERIMENT=", "GOFLAGS=-mod=readonly", "GOWORK=off",
	}
}

// arguments of go build but for the output. -trimpath takes this machine's paths
// out; the commit is stamped by hand, so that a release made from an archive of
// the sources, which git knows nothing of, is the same.
func (o order) arguments() []string {
	stamp := "-s -w -buildid= -X main.version=" + o.version
	if o.revision != "" {
		stamp += " -X main.revision=" + o.revision
	}
	return []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", stamp}
}

// build makes one static binary.
func (o order) build(ctx context.Context, p platform, command, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, command)
	say("building %s for %s", command, p)
	cmd := exec.CommandContext(ctx, "go", append(o.arguments(), "-o", path, "./cmd/"+command)...)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), p.settings()...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w", command, p, err)
	}
	file, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	say("%s for %s: %.1f MB, built in %s", command, p, float64(file.Size())/1e6, time.Since(begin).Round(time.Second))
	return path, static(p, path)
}

// static refuses a binary that asks for a loader: an image without a C library
// has none.
func static(p platform, path string) error {
	if p.os != "linux" {
		return nil
	}
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	for _, prog := range f.Progs {
		if prog.Type == elf.PT_INTERP {
			return fmt.Errorf("the binary for %s is not static", p)
		}
	}
	return nil
}
