package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complete is what the program answers a shell.
func complete(t *testing.T, args ...string) []string {
	t.Helper()
	var out strings.Builder
	root := newRoot("tidemill", &out, io.Discard)
	root.SetArgs(append([]string{"__complete"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

// TestTabNamesWhatIsThere: pools and nodes of the cluster, values that flags take,
// and files where a file is meant. The last line is cobra's: 4 is no files, 0 the
// shell's own way, 16 directories.
func TestTabNamesWhatIsThere(t *testing.T) {
	quietEnvironment(t)
	here := smallServer(t)
	for line, want := range map[string][]string{
		"status --kubeconfig HERE |":              {"workers\t2 of 3 ready, -, cycling 1/3 to v1.35.0", ":4"},
		"status --kubeconfig HERE workers |":      {":4"},
		"cycle --kubeconfig HERE |":               {"workers\t2 of 3 ready, -, cycling 1/3 to v1.35.0", "node/10.0.0.1", ":4"},
		"cycle --kubeconfig HERE workers |":       {":4"},
		"plan cycle --kubeconfig HERE |":          {"workers\t2 of 3 ready, -, cycling 1/3 to v1.35.0", ":4"},
		"doctor --kubeconfig HERE |":              {"checks\tlist the checks: limits, evidence, remedy", "host\texamine the machine this runs on", "10.0.0.1", ":4"},
		"status --kubeconfig nowhere |":           {":4"},
		"status --kubeconfig HERE --context |":    {"c", ":4"},
		"status -o |":                             {"text", "wide", "json", "yaml", ":4"},
		"doctor -o |":                             {"text", "wide", "json", "yaml", "jsonl", "sarif", "junit", "markdown", "prometheus", ":4"},
		"doctor --privilege |":                    {"read", "log", "runtime", "full", ":4"},
		"run --log-level |":                       {"debug", "info", "warn", "error", ":4"},
		"status --kubeconfig |":                   {":0"},
		"doctor host --root |":                    {":16"},
		"cycle workers --kubeconfig HERE --to |":  {":4"},
		"version |":                               {":4"},
		"status --kubeconfig HERE --watch --eve|": {"--every\thow often with --watch", ":4"},
	} {
		t.Run(line, func(t *testing.T) {
			args := strings.Fields(strings.ReplaceAll(strings.TrimSuffix(line, "|"), "HERE", here))
			if strings.HasSuffix(line, " |") {
				args = append(args, "")
			}
			if got := complete(t, args...); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestChoicesAreInTheHelp: a value that Tab offers is one that the flag's help
// names, so that a value that goes, goes from both.
func TestChoicesAreInTheHelp(t *testing.T) {
	offered := map[string]bool{}
	_ = eachCommand(newRoot("tidemill", io.Discard, io.Discard), func(c *cobra.Command) error {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			for _, v := range choicesOf(f) {
				offered[f.Name+" "+v] = true
			}
		})
		return nil
	})
	for name, values := range choices {
		for _, v := range values {
			if !offered[name+" "+v] {
				t.Errorf("--%s %s: no command's help names it", name, v)
			}
		}
	}
}

// TestShellsLoadTheCompletions: where a shell is installed, it reads the script
// without a word, and has the program complete.
func TestShellsLoadTheCompletions(t *testing.T) {
	quietEnvironment(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "tidemill")); err != nil {
		t.Fatal(err)
	}
	for shell, script := range map[string]string{
		// What bash-completion would have set, and what readline sets.
		"bash": `. FILE && complete -p tidemill >/dev/null && COMP_WORDS=(tidemill stat) COMP_CWORD=1 COMP_LINE="tidemill stat" COMP_POINT=13 COMP_TYPE=9
_get_comp_words_by_ref() { cur=stat prev=tidemill words=(tidemill stat) cword=1; }; compopt() { :; }; __start_tidemill; echo "${COMPREPLY[@]}"`,
		"zsh":  `autoload -U compinit && compinit -D && . FILE && whence -w _tidemill && print -r -- ${_comps[tidemill]} && tidemill __complete stat 2>/dev/null`,
		"fish": `source FILE && complete -C "tidemill stat"`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not installed: that its script loads is seen where it is", shell)
			}
			loads(t, path, dir, shell, script)
		})
	}
}

// loads is whether the shell takes the script that is written for it, and offers
// "status" for "stat".
func loads(t *testing.T, path, dir, shell, script string) {
	var out strings.Builder
	root := newRoot("tidemill", &out, io.Discard)
	root.SetArgs([]string{"completion", shell})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "completion."+shell)
	if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", strings.ReplaceAll(script, "FILE", file))
	cmd.Env = []string{"HOME=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH"), "TERM=dumb"}
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "status") || strings.Contains(strings.ToLower(string(said)), "error") {
		t.Errorf("%v:\n%s", err, said)
	}
}

// TestManualIsWellFormed: where mandoc is installed, it has nothing to say but that
// the pages have no date, which would differ from build to build.
func TestManualIsWellFormed(t *testing.T) {
	quietEnvironment(t)
	dir := t.TempDir()
	root := newRoot("tidemill", io.Discard, io.Discard)
	root.SetArgs([]string{"man", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc is not installed: the pages are written, and judged where it is")
	}
	said, _ := exec.CommandContext(t.Context(), mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if !strings.Contains(line, "missing date") {
			t.Error(strings.TrimSpace(line))
		}
	}
}
