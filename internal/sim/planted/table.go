package planted

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Between these lines stands the table in the document.
const (
	begin = "<!-- planted bugs: written by make planted -->"
	end   = "<!-- end of planted bugs -->"
)

// Table is what became of every bug, for people.
func Table(bugs []Bug, finds map[string]Find) string {
	var out strings.Builder
	found, looked := 0, 0
	for _, b := range bugs {
		if f := finds[b.Name]; f.Promise != "" {
			found++
		} else if f.Played > 0 {
			looked++
		}
	}
	fmt.Fprintf(&out, "%d bugs are planted; %d were found, %d were looked for and not found yet, %d have not been looked for.\n\n",
		len(bugs), found, looked, len(bugs)-found-looked)
	out.WriteString("| bug | what it does | like | found by | seed | where all wish for | seconds |\n|---|---|---|---|---|---|---|\n")
	for _, b := range bugs {
		f, by, at, seconds := finds[b.Name], "", "", ""
		switch {
		case f.Promise != "":
			by, at = f.Promise, strconv.FormatUint(f.Seed, 10)
		case f.Played > 0:
			by, at = "**not found**", fmt.Sprintf("in %d", f.Played)
		default:
			by = "not looked for"
		}
		if f.Played > 0 {
			seconds = strconv.Itoa(int(f.Took.Round(time.Second) / time.Second))
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n", b.Name, b.Title, b.Incident, by, at, b.Wish, seconds)
	}
	return out.String()
}

// PutTable writes the table into a document that has the two lines for it.
func PutTable(document, table string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("put table into %s: it has no lines %q and %q", document, begin, end)
	}
	return os.WriteFile(document, []byte(before+begin+"\n\n"+table+"\n"+end+after), 0o644) //nolint:gosec // a document
}

// ReadFinds reads what WriteFinds has written; no file is no finds.
func ReadFinds(file string) (map[string]Find, error) {
	out := map[string]Find{}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		word := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(word) != 5 {
			return nil, fmt.Errorf("read %s: a line of %d columns, not 5: %q", file, len(word), line)
		}
		f := Find{Bug: word[0], Promise: word[1]}
		if f.Seed, err = strconv.ParseUint(word[2], 10, 64); err == nil {
			f.Played, err = strconv.Atoi(word[3])
		}
		if err == nil {
			f.Took, err = time.ParseDuration(word[4])
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out[f.Bug] = f
	}
	return out, nil
}

// WriteFinds keeps finds as text, a line each: bug, promise, seed, how many were
// played, how long that took.
func WriteFinds(file string, finds map[string]Find) error {
	var lines []string
	for _, f := range finds {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%d\t%d\t%s\n", f.Bug, f.Promise, f.Seed, f.Played, f.Took.Round(time.Millisecond)))
	}
	slices.Sort(lines)
	return os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644) //nolint:gosec // a list for the repository
}
