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

// build makes one static binary. -trimpath takes this machine's paths out of it;
// without the version control stamp a release made from an archive is the same.
func (o order) build(ctx context.Context, p platform, command, dir string) (string, error) {
	path := filepath.Join(dir, command)
	say("building %s for %s", command, p)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+o.version, "-o", path, "./cmd/"+command)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=-mod=readonly")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w", command, p, err)
	}
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
