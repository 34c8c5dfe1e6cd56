package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// commitID is what git gives and -X takes: SHA-1 or SHA-256.
var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// source asks git which commit this is. A version that others will get must be a
// commit's: a tree with changes of its own could never be had again, so it gets
// the version of a trial only (1.2.3-rc.1, 0.0.0-dev).
func (o *order) source(ctx context.Context) error {
	if o.revision != "" {
		if !commitID.MatchString(o.revision) {
			return fmt.Errorf("revision %q is not a commit in full", o.revision)
		}
		return nil
	}
	head, err := git(ctx, o.root, "rev-parse", "--verify", "HEAD")
	if err != nil {
		say("no git checkout: the commit is not stamped; -revision names it")
		return nil
	}
	changes, err := git(ctx, o.root, "status", "--porcelain")
	if err != nil {
		return err
	}
	o.revision = head
	if changes == "" {
		return nil
	}
	if !strings.Contains(o.version, "-") {
		return fmt.Errorf("version %s of a tree with changes that are in no commit: commit them, or make a trial (%s-rc.1)\n%s", o.version, o.version, changes)
	}
	o.revision += "-dirty"
	return nil
}

// git is a command's output. The sources may stand inside a checkout of something
// else, as vendored ones do; that one's commit is not theirs.
func git(ctx context.Context, root string, args ...string) (string, error) {
	top, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--show-cdup").Output()
	if err != nil {
		return "", fmt.Errorf("ask git: %w", err)
	}
	if strings.TrimSpace(string(top)) != "" {
		return "", fmt.Errorf("ask git: %s is not the top of a checkout", root)
	}
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("ask git: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
