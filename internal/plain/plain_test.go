package plain

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"node-1 is fine":        "node-1 is fine",
		"größer als 日本":         "größer als 日本",
		"ok\x1b[2K\rfine":       `ok\u001b[2K\u000dfine`,
		"a\x1b]0;title\x07b":    `a\u001b]0;title\u0007b`,
		"a\u009b31mb":           `a\u009b31mb`,
		"two\nlines":            `two\u000alines`,
		"user\u202etxt.exe":     `user\u202etxt.exe`,
		"in\u2066visible\u2069": `in\u2066visible\u2069`,
		"zero\u200bwidth":       `zero\u200bwidth`,
		"tag\U000e0041":         `tag\udb40\udc41`,
		"half \xff a rune":      `half \ufffd a rune`,
		"del\x7f":               `del\u007f`,
	} {
		if got := Line(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestTextKeepsItsLayout(t *testing.T) {
	if got := Text("a\tb\nc\r\x00"); got != "a\tb\nc"+`\u000d\u0000` {
		t.Errorf("%q", got)
	}
}

func TestAMegabyteIsCut(t *testing.T) {
	for _, unit := range []string{"a", "\x1b", "ü", "\u202e"} {
		got := Line(strings.Repeat(unit, 1<<20))
		if len(got) > MaxLine || !strings.HasSuffix(got, "...") || !utf8.ValidString(got) {
			t.Errorf("%q: %d bytes, ends with %q", unit, len(got), got[max(len(got)-8, 0):])
		}
	}
}

// plainText is whether a terminal only shows s.
func plainText(s string, also string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !Printable(r) && !strings.ContainsRune(also, r) }) < 0
}

// Whatever comes in, what goes out is of the printable set, and what was
// printable is not changed.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "node-1", "\x1b]52;c;ZXZpbA==\x07", "\u009d0;x\u009c", "\u202eexe.txt", "\xff\xfe", "a\r\nb", "\x1bP+q\x1b\\", strings.Repeat("é", 2000)} {
		f.Add(seed, 64)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 3), 1<<16)
		got := Cut(s, limit)
		if !plainText(got, "") || len(got) > limit {
			t.Errorf("%q is %q, %d bytes of %d", s, got, len(got), limit)
		}
		if plainText(s, "") && len(s) <= limit && got != s {
			t.Errorf("%q was harmless and is %q", s, got)
		}
		if Cut(got, limit) != got {
			t.Errorf("%q is cut twice", got)
		}
		if text := Text(s); !plainText(text, layout) {
			t.Errorf("text %q is %q", s, text)
		}
	})
}

// The writer gives what Text gives, wherever the writes are cut, and JSON that
// passes it stays the same value.
func FuzzWriter(f *testing.F) {
	f.Add("a\x1b[31mü\u202e\n", 3)
	f.Add("\xe2\x80", 1)
	f.Add("日本\U000e0041", 4)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		cut = min(max(cut, 0), len(s))
		if got, want := through(t, s[:cut], s[cut:]), Text(s); got != want {
			t.Errorf("%q cut at %d is %q, want %q", s, cut, got, want)
		}
		value := map[string]any{"text": strings.ToValidUTF8(s, "?")}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal([]byte(through(t, string(data), "")), &back); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(back, value) {
			t.Errorf("%q comes back as %q", value, back)
		}
	})
}

func through(t *testing.T, parts ...string) string {
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, p := range parts {
		if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
