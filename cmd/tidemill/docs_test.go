package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// pages are the documents, by path from the top of the tree.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(filepath.ToSlash(path), "../../")] = string(text)
	}
	for _, top := range []string{"README.md", "SECURITY.md", "CHANGELOG.md"} {
		read("../../" + top)
	}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("%d documents: %v", len(out), err)
	}
	return out
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence   = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```")
	notWord = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	quoted  = regexp.MustCompile("`([^`\n]+)`")
)

// TestLinksLead somewhere: to a file, and to a heading in it.
func TestLinksLead(t *testing.T) {
	all, checked := pages(t), 0
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			checked++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s has no heading %s", page, target, anchor)
			}
		}
	}
	if checked < 30 {
		t.Errorf("%d links: the test proves little", checked)
	}
}

// anchors are the headings as GitHub names them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		out[strings.ReplaceAll(notWord.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), ""), " ", "-")] = true
	}
	return out
}

// TestCommandsInDocsExist: each line that calls tidemill, and each call within a
// sentence, names a command, and flags that it has.
func TestCommandsInDocsExist(t *testing.T) {
	root := newRoot("tidemill", io.Discard, io.Discard)
	shown, named := 0, 0
	try := func(page, line string, count *int) {
		args := call(line)
		if args == nil {
			return
		}
		*count++
		if err := callable(root, args); err != "" {
			t.Errorf("%s: %s\n%s", page, err, strings.TrimSpace(line))
		}
	}
	for page, text := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] == "yaml" || m[1] == "text" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(m[2], "\\\n", " ")) {
				try(page, line, &shown)
			}
		}
		for _, words := range quoted.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			try(page, words[1], &named)
		}
	}
	if shown < 30 || named < 50 {
		t.Errorf("%d calls shown and %d named: the test proves little", shown, named)
	}
}

// call are the arguments of a line that calls tidemill, nil for any other.
func call(line string) []string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
	line, _, _ = strings.Cut(line, " #")
	rest, ok := strings.CutPrefix(line, "kubectl tidemill ")
	if !ok {
		rest, ok = strings.CutPrefix(line, "tidemill ")
	}
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, " | ")
	rest, _, _ = strings.Cut(rest, " > ")
	rest, _, _ = strings.Cut(rest, " && ")
	return strings.Fields(rest)
}

// callable says what is wrong with a call, "" for nothing.
func callable(root *cobra.Command, args []string) string {
	if len(args) == 0 || strings.HasSuffix(args[0], ":") {
		return "" // an error's first words
	}
	if args[0][0] >= '0' && args[0][0] <= '9' {
		return "" // what the command version prints
	}
	if args[0] == "help" || args[0] == "completion" {
		return ""
	}
	c, _, err := root.Find(args)
	if err != nil || c == root && !strings.HasPrefix(args[0], "-") && args[0] != "[flags]" {
		return "there is no command " + args[0]
	}
	c.InitDefaultHelpFlag()
	for _, a := range args {
		name, ok := strings.CutPrefix(a, "--")
		if !ok || name == "" {
			continue
		}
		name, _, _ = strings.Cut(strings.TrimRight(name, "].,;)"), "=")
		if c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil && c.PersistentFlags().Lookup(name) == nil {
			return c.CommandPath() + " has no flag --" + name
		}
	}
	return ""
}

// TestPoolsInDocsAreStrict: each Pool that a document shows has no field that there
// is none of.
func TestPoolsInDocsAreStrict(t *testing.T) {
	checked := 0
	for page, text := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "yaml" || !strings.Contains(m[2], "kind: Pool") {
				continue
			}
			for _, doc := range strings.Split(m[2], "\n---\n") {
				if !strings.Contains(doc, "kind: Pool") {
					continue
				}
				checked++
				var p v1alpha1.Pool
				if err := yaml.UnmarshalStrict([]byte(doc), &p); err != nil {
					t.Errorf("%s: %v in\n%s", page, err, doc)
				}
			}
		}
	}
	if checked < 3 {
		t.Errorf("%d Pools: the test proves little", checked)
	}
}

// TestMigrationNamesEveryFlag: whoever comes from cluster-autoscaler finds each of
// its flags, and what stands for it is there.
func TestMigrationNamesEveryFlag(t *testing.T) {
	theirs, err := os.ReadFile("testdata/docs/cluster-autoscaler-flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := pages(t)["docs/migrate-from-cluster-autoscaler.md"]
	run, _, err := newRoot("tidemill", io.Discard, io.Discard).Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(text, -1) {
		rows[m[1]] = m[2]
	}
	names := strings.Fields(string(theirs))
	if len(names) < 100 {
		t.Fatalf("%d flags: the test proves little", len(names))
	}
	for _, name := range names {
		ours, ok := rows[name]
		if !ok {
			t.Errorf("the table lacks --%s", name)
		}
		if f := strings.Trim(strings.TrimSpace(ours), "`-"); f != "" && run.Flags().Lookup(f) == nil && run.InheritedFlags().Lookup(f) == nil {
			t.Errorf("--%s is said to be --%s, which there is not", name, f)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("the table tells of --%s, which cluster-autoscaler has not", name)
	}
	for _, variable := range []string{"OCI_USE_INSTANCE_PRINCIPAL", "OKE_USE_INSTANCE_PRINCIPAL", "OCI_USE_WORKLOAD_IDENTITY", "OCI_REGION", "OCI_COMPARTMENT_ID",
		"OCI_REFRESH_INTERVAL", "OCI_USE_NON_POOL_MEMBER_ANNOTATION", "OKE_HOST_OVERRIDE", "DECREASE_TARGET_CHECK_VIA_COMPUTE"} {
		if !strings.Contains(text, "`"+variable+"`") {
			t.Errorf("the page does not tell of %s", variable)
		}
	}
}
