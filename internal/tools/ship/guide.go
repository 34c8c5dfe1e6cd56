package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// completions are the shells that a release brings a file for, under the name
// that the shell looks for.
var completions = []struct{ shell, file string }{
	{"bash", "completions/tidemill.bash"},
	{"zsh", "completions/_tidemill"},
	{"fish", "completions/tidemill.fish"},
}

// kubectlCompletes is what kubectl runs, by its name, to complete the words behind
// "kubectl tidemill".
const kubectlCompletes = "#!/bin/sh\nexec kubectl-tidemill __complete \"$@\"\n"

// guide is what the program says of itself for those who install it: manual pages
// and completions. They are the same for all platforms, and are asked of the one
// that runs here.
func guide(ctx context.Context, program string) ([]entry, error) {
	dir, err := os.MkdirTemp("", "tidemill-ship-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := ask(ctx, program, "man", dir); err != nil {
		return nil, err
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(dir, page.Name()))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{path: "man1/" + page.Name(), mode: 0o644, content: text})
	}
	for _, c := range completions {
		text, err := ask(ctx, program, "completion", c.shell)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{path: c.file, mode: 0o644, content: text})
	}
	entries = append(entries, entry{path: "completions/kubectl_complete-tidemill", mode: 0o755, content: []byte(kubectlCompletes)})
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries, nil
}

// ask runs the program as nobody in particular: nothing of this machine may get
// into its words.
func ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	var talk bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stderr = []string{"HOME=/", "PATH=/usr/bin:/bin"}, &talk
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run tidemill %s: %w: %s", strings.Join(args, " "), err, talk.String())
	}
	return out, nil
}

// local is the program of the platform that this runs on: one of those that were
// built, or one made for the purpose.
func (o order) local(ctx context.Context, made map[platform][]string, work string) (string, error) {
	host := platform{runtime.GOOS, runtime.GOARCH}
	if paths, ok := made[host]; ok {
		return paths[0], nil
	}
	return o.build(ctx, host, commands[0], filepath.Join(work, "local"))
}
