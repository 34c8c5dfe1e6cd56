package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"
)

// unasked is what a release says of known vulnerabilities when nobody has looked: an
// offline build has no database to ask, and silence would read like "none".
const unasked = `
## Known vulnerabilities

Not asked: govulncheck needs its database, which could not be reached where this was made. Whoever can reach it asks
of the binary itself: ` + "`govulncheck -mode binary tidemill`" + `. The modules are listed in the SPDX files.
`

// answerLimit is how much of an answer goes into the notes, in bytes.
const answerLimit = 16 << 10

// vulnerabilities are the notes' words about them: what govulncheck has answered to
// whoever makes the release, or that it was not asked.
func (o order) vulnerabilities() (string, error) {
	if o.answer == "" {
		return unasked, nil
	}
	text, err := os.ReadFile(o.answer)
	if err != nil {
		return "", fmt.Errorf("read govulncheck's answer: %w", err)
	}
	said := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) && r != '`' {
			return r
		}
		return ' '
	}, string(text)))
	if said == "" || len(text) > answerLimit {
		return "", fmt.Errorf("read govulncheck's answer: %s has %d bytes, want some and %d at most", o.answer, len(text), answerLimit)
	}
	return "\n## Known vulnerabilities\n\nWhat govulncheck answered:\n\n```\n" + said + "\n```\n", nil
}
