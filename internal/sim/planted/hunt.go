package planted

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Build compiles the simulation with all bugs in it, asleep, to the file binary.
func Build(root, binary string, bugs []Bug) error {
	dir, err := os.MkdirTemp("", "tidemill-planted")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, _, err := Overlay(root, dir, bugs)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "test", "-c", "-ldflags", "-s -w", "-overlay", overlay, "-o", binary, "./internal/sim")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the simulation with bugs: %w\n%s", err, out)
	}
	return nil
}

// Field is where bugs are looked for.
type Field struct {
	// Root is that of the module, Binary what Build has made.
	Root, Binary string
	// Log gets what is noticed beside the finds.
	Log io.Writer
}

// Find is how the search for one bug stands.
type Find struct {
	Bug string
	// Promise and Seed say what found it; "" as long as nothing has.
	Promise string
	Seed    uint64
	// Played is how many histories were, Took their time. Of a bug that was found
	// in one, that one included.
	Played int
	Took   time.Duration
}

// Play looks for the bug in n more histories, from the first that was not played,
// until one breaks a promise that the bug names and that is kept without it.
func (d Field) Play(ctx context.Context, b Bug, f Find, n int) (Find, error) {
	f.Bug = b.Name
	for end := f.Played + n; f.Promise == "" && f.Played < end && ctx.Err() == nil; {
		began := time.Now()
		promise, at, played, err := d.first(ctx, b, uint64(f.Played)+1, end-f.Played)
		f.Took += time.Since(began)
		f.Played += played
		if err != nil || promise == "" {
			return f, err
		}
		// Another promise than those is not what this bug is about, and what the
		// history breaks without the bug is not the bug's.
		if !slices.Contains(b.Promises, promise) {
			fmt.Fprintf(d.Log, "%s: seed %d breaks %q, which it does not name\n", b.Name, at, promise)
			continue
		}
		innocent, _, _, err := d.first(ctx, Bug{Wish: b.Wish}, at, 1)
		if err != nil {
			return f, err
		}
		if innocent == promise {
			fmt.Fprintf(d.Log, "%s: seed %d breaks %q without it\n", b.Name, at, promise)
			continue
		}
		f.Promise, f.Seed = promise, at
	}
	return f, ctx.Err()
}

// first plays histories one after the other up to the first that breaks a
// promise, and says how many they were.
func (d Field) first(ctx context.Context, b Bug, from uint64, n int) (promise string, at uint64, played int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, d.Binary, "-test.run", "TestSeeds$", "-test.timeout", "0", "-seeds", strconv.Itoa(n), "-from", strconv.FormatUint(from, 10), "-jobs", "1", "-wish", b.Wish)
	cmd.Dir = filepath.Join(d.Root, "internal", "sim")
	cmd.Env = append(os.Environ(), Switch+"="+b.Name, "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, 0, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", 0, 0, err
	}
	var last string
	for lines := bufio.NewScanner(out); promise == "" && lines.Scan(); {
		if seed, broken, ok := read(lines.Text()); ok {
			played, promise, at = played+1, broken, seed
		} else if last == "" {
			last = lines.Text()
		}
	}
	stop()
	_ = cmd.Wait() // it was stopped, or has failed as it should
	if promise == "" && played < n && ctx.Err() == nil {
		err = fmt.Errorf("seed %d of bug %s came to no end: %s", from+uint64(played), b.Name, last)
	}
	return promise, at, played, err
}

// read reads a line of the simulation's: the seed, and the promise it broke.
func read(line string) (seed uint64, promise string, ok bool) {
	if n, _ := fmt.Sscanf(line, "seed %d hash", &seed); n != 1 {
		return 0, "", false
	}
	_, text, _ := strings.Cut(line, " VIOLATION ")
	promise, _, _ = strings.Cut(text, ": ")
	return seed, promise, true
}
