package plain

import (
	"io"
	"unicode/utf8"
)

// Writer lets through what is harmless and shows the rest; see [NewWriter].
type Writer struct {
	w io.Writer
	// rest is the beginning of a character whose end has not been written yet.
	rest []byte
}

// NewWriter writes to w as [Text] does. A character may come in two writes;
// Flush ends the last. It is not for several goroutines, and not for binary data.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write implements io.Writer. It answers for all of p, also where more or fewer
// bytes were written.
func (w *Writer) Write(p []byte) (int, error) {
	data := p
	if len(w.rest) > 0 {
		data = append(w.rest, p...)
	}
	whole := len(data) - begun(data)
	w.rest = append([]byte(nil), data[whole:]...)
	if whole == 0 {
		return len(p), nil
	}
	if _, err := io.WriteString(w.w, Text(string(data[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes a character that was begun and not ended.
func (w *Writer) Flush() error {
	if len(w.rest) == 0 {
		return nil
	}
	text := Text(string(w.rest))
	w.rest = nil
	_, err := io.WriteString(w.w, text)
	return err
}

// begun is how many bytes at the end of p are the beginning of a character.
func begun(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
