package bundle

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"slices"
	"unicode/utf8"
)

// Redactor takes names and credentials out of texts. One redactor for all
// bundles of a run keeps tokens the same in all of them; another run has another
// key, so that nobody can compare across cases.
type Redactor struct{ key []byte }

// NewRedactor has a random key of its own.
func NewRedactor() *Redactor {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &Redactor{key}
}

// rule is one kind of thing that is taken out.
type rule struct {
	name string
	// needs are words in lower case of which each match has one. A text without them
	// is not searched: that is most texts for most rules, and a search takes a second
	// for a few megabytes.
	needs []string
	find  *regexp.Regexp
	// token is what it becomes, nil for struck out. A rule may spare a match.
	token func(r *Redactor, match []byte) []byte
}

// rules in order: what is struck out goes first, so that no part of it lives on
// in a token. Credentials have no business in what is collected; these are for a
// program that printed one into the kernel's log or an event.
var rules = []rule{
	{"private-key", []string{"-----begin "}, regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`), nil},
	{"jwt", []string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), nil},
	{"bearer", []string{"bearer ", "basic "}, regexp.MustCompile(`(?i)\b(bearer|basic) [A-Za-z0-9._~+/=-]{12,}`), nil},
	{"assignment", []string{"passw", "passphrase", "secret", "token", "api", "credential", "private"}, regexp.MustCompile(`(?i)[a-z0-9_.-]*(passw(or)?d|passphrase|secret|token|api[_-]?key|credential|private[_-]?key)[a-z0-9_.-]*["']?\s*[=:]\s*["']?[^\s"',;&]+`), nil},
	{"url-user", []string{"://"}, regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://[^\s/@:]+:[^\s/@]+@`), nil},
	{"ocid", []string{"ocid1."}, regexp.MustCompile(`\bocid1\.[a-z0-9]+\.[a-z0-9]*\.[a-z0-9-]*\.[A-Za-z0-9.]+`), (*Redactor).ocid},
	{"mac", []string{":"}, regexp.MustCompile(`(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b`), func(r *Redactor, m []byte) []byte { return r.token("mac", m) }},
	{"ipv4", []string{"."}, regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`), (*Redactor).address},
	{"ipv6", []string{":"}, regexp.MustCompile(`(?i)\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}\b`), (*Redactor).address},
}

// may is whether a text in lower case may have a match. Beyond ASCII there are
// letters that fold into others (a long s, Kelvin's K): then it may.
func (x rule) may(small []byte) bool {
	return slices.ContainsFunc(x.needs, func(n string) bool { return bytes.Contains(small, []byte(n)) }) ||
		slices.ContainsFunc(small, func(b byte) bool { return b >= utf8.RuneSelf })
}

// token stands for a thing: the same for the same, and telling nothing of it.
func (r *Redactor) token(kind string, what []byte) []byte {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(kind))
	h.Write(bytes.ToLower(what))
	return []byte(kind + "-" + hex.EncodeToString(h.Sum(nil)[:5]))
}

// ocid keeps what kind of thing it is.
func (r *Redactor) ocid(m []byte) []byte {
	parts := bytes.SplitN(m, []byte{'.'}, 3)
	return append(append([]byte("ocid1."), parts[1]...), append([]byte{'.'}, r.token("id", m)...)...)
}

// address keeps the addresses that every host has, and what only looks like one
// (a version, a time).
func (r *Redactor) address(m []byte) []byte {
	a, err := netip.ParseAddr(string(m))
	if err != nil || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a == netip.IPv4Unspecified() {
		return m
	}
	return r.token("ip", m)
}

// struck stands where something was taken out for good.
const struck = "[redacted]"

// Text redacts a short text, and reports nothing.
func (r *Redactor) Text(s string) string {
	return string(r.redact("", []byte(s), &Manifest{Redacted: map[string]int{}}))
}

// redact applies the rules and notes in the manifest what they did.
func (r *Redactor) redact(name string, data []byte, m *Manifest) []byte {
	noted, small := 0, bytes.ToLower(data)
	for _, rule := range rules {
		if !rule.may(small) {
			continue
		}
		found := rule.find.FindAllIndex(data, -1)
		if len(found) == 0 {
			continue
		}
		var out []byte
		last, line := 0, 1
		for _, at := range found {
			with := []byte(struck)
			if rule.token != nil {
				with = rule.token(r, data[at[0]:at[1]])
			}
			line += bytes.Count(data[last:at[0]], []byte{'\n'})
			if changed := !bytes.Equal(with, data[at[0]:at[1]]); changed {
				m.Redacted[rule.name]++
				if noted++; noted <= maxStruck {
					m.Redactions = append(m.Redactions, Redaction{name, line, rule.name})
				}
			}
			out = append(append(out, data[last:at[0]]...), with...)
			line += bytes.Count(data[at[0]:at[1]], []byte{'\n'})
			last = at[1]
		}
		data = append(out, data[last:]...)
	}
	return data
}
