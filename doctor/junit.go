package doctor

import (
	"encoding/xml"
	"io"
	"strings"
)

// JUnit's XML, as CI systems read it: a node is a suite, a check a case.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Package   string      `xml:"package,attr,omitempty"` // the pool
		Timestamp string      `xml:"timestamp,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string     `xml:"name,attr"`
		Classname string     `xml:"classname,attr"`
		Failure   *junitNote `xml:"failure"`
		Error     *junitNote `xml:"error"`
		Skipped   *junitNote `xml:"skipped"`
		Output    string     `xml:"system-out,omitempty"`
	}
	junitNote struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes every finding. What failed is a failure, what could not be
// seen an error; a warning passes, with its text in the output, since CI knows
// no third colour.
func (r Report) writeJUnit(w io.Writer) error {
	all := junitSuites{Name: "tidemill doctor"}
	for _, n := range r.Nodes {
		s := junitSuite{Name: n.Node, Package: n.Pool, Timestamp: clock(r.Time), Tests: len(n.Findings)}
		for _, f := range n.Findings {
			s.Cases = append(s.Cases, s.testcase(f))
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) testcase(f Finding) junitCase {
	c := junitCase{Name: f.Check, Classname: f.Node}
	note := &junitNote{Type: f.Reason, Message: f.Message}
	switch f.State {
	case Fail:
		note.Text = strings.TrimSpace(f.aside() + "\n" + f.Remedy)
		c.Failure = note
		s.Failures++
	case Unknown:
		c.Error = note
		s.Errors++
	case Skip:
		c.Skipped = note
		s.Skipped++
	case Warn, Info:
		c.Output = f.State.String() + ": " + f.Reason + ": " + f.Message + f.aside()
	}
	return c
}
