package oke

import "testing"

// Whatever answers in OCI's place may invent statuses.
func TestStatusLabel(t *testing.T) {
	for status, want := range map[int]string{404: "404", 412: "412", 429: "429", 503: "503", 0: "other", 599: "other", 777: "other"} {
		if got := statusLabel(status); got != want {
			t.Errorf("%d is counted as %s, want %s", status, got, want)
		}
	}
}
