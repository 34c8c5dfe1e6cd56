// Package plain makes text from outside harmless to whoever reads it.
//
// A node's name, a pod's annotation, the cloud's message, a line of a host's
// log: much of what tidemill prints was written by somebody else, and some of it
// by somebody hostile. On a terminal, control characters are orders: they move
// the cursor over what stood there, set the title, put text on the clipboard,
// answer for the user. Characters that turn the direction of writing make a text
// read other than it is. And a message without end hides the next.
//
//	"ok\x1b[2K\rfine"  ──► Line ──►  ok\u001b[2K\u000dfine
//
// Nothing is dropped in silence: what acts is shown as the escape that JSON and Go write
// for it, so that who reads it sees that somebody tried. What remains is of one
// set, [Printable]. Text that is too long is cut between two characters and ends
// with "...".
//
// There are three doors. [Line] and [Text] are for one value; [NewWriter] is for a
// whole output, such as standard output, and lets line breaks and tabs pass. As
// the escapes are JSON's own, JSON that passes the writer stays the same value.
package plain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxLine is the longest Line, in bytes: more than any message of tidemill's own,
// and less than a screen.
const MaxLine = 2048

// Printable is whether a character is shown as it is: letters, marks, digits,
// punctuation, symbols and the ordinary blank. Controls, directions, invisible
// characters and the replacement character are not.
func Printable(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }

// Line makes s one line of printable characters of MaxLine bytes at most.
func Line(s string) string { return Cut(s, MaxLine) }

// Cut makes s one line of printable characters of limit bytes at most; limit is
// 3 or more.
func Cut(s string, limit int) string {
	// An escape is longer than what it stands for, so that a text which is too
	// long before is so afterwards: megabytes are not escaped only to be cut.
	if len(s) > limit+1 {
		s = s[:limit+1]
	}
	if !clean(s, "") {
		s = escape(s, "")
	}
	if len(s) <= limit {
		return s
	}
	end := limit - len("...")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

// Text is Line for several lines: line breaks and tabs stay, and it is as long as
// it is.
func Text(s string) string {
	if clean(s, layout) {
		return s
	}
	return escape(s, layout)
}

// layout is what a text of several lines consists of beside printable characters.
const layout = "\n\t"

// clean is whether s may pass as it is; the common case, without an allocation.
func clean(s, also string) bool {
	for _, r := range s {
		if !Printable(r) && !strings.ContainsRune(also, r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// escape writes out what is neither printable nor in also.
func escape(s, also string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			b.WriteString(`\ufffd`)
		case Printable(r) || strings.ContainsRune(also, r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
