package oke

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever an OCI configuration file holds, it is an identity or an error of one
// line that does not repeat the passphrase.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"[DEFAULT]\nuser=ocid1.user.oc1..u\nfingerprint=aa:bb\ntenancy=ocid1.tenancy.oc1..t\nregion=us-ashburn-1\nkey_file=missing.pem\npass_phrase=hush-hush-hush\n",
		"[DEFAULT]\nsecurity_token_file=missing\nkey_file=missing.pem\nregion=us-ashburn-1\ntenancy=ocid1.tenancy.oc1..t\n",
		"[DEFAULT]\n=\n===\n[", "user=ocid1.user.oc1..u", "[]\n[DEFAULT\nuser", "", "\x00", "[DEFAULT]\nregion=\x1b[2J\nuser=\u202e\n", "[DEFAULT]\n" + strings.Repeat("a=", 5000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") || strings.Contains(text, "~") {
			t.Skip("a path of its own could be one that never ends")
		}
		t.Chdir(t.TempDir()) // what the file names is not there
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, auth := range []Auth{APIKey, SessionToken} {
			_, err := fromFile(t.Context(), Options{ConfigFile: file, Env: func(string) string { return "" }}, auth)
			if err == nil {
				t.Fatalf("%q: there is no key, and no error", text)
			}
			if said := err.Error(); strings.Contains(said, "hush-hush-hush") {
				t.Errorf("the passphrase is told: %q", said)
			}
		}
		if end := expiry(text); !end.IsZero() && end.After(time.Unix(1e11, 0)) {
			t.Errorf("%q ends at %s", text, end)
		}
	})
}
