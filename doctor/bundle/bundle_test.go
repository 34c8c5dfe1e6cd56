package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// unpack gives the files of an archive and its manifest, whose sums must hold.
func unpack(t testing.TB, archive []byte) (map[string]string, Manifest) {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	var m Manifest
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(data)
	}
	if err := json.Unmarshal([]byte(out["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if len(out) != len(m.Files)+1 {
		t.Errorf("%d files and a manifest of %d", len(out), len(m.Files))
	}
	for _, e := range m.Files {
		sum := sha256.Sum256([]byte(out[e.Name]))
		if e.SHA256 != hex.EncodeToString(sum[:]) || e.Bytes != len(out[e.Name]) {
			t.Errorf("%s: the manifest has another sum or size", e.Name)
		}
	}
	return out, m
}

func pack(t testing.TB, r *Redactor, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, "10.0.1.7", "v1", now, files, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// canaries are what must never be in a bundle, and where it lies on a host.
var canaries = map[string]string{
	"proc/1/environ":    "OCI_SECRET=canary-environ\x00",
	"proc/self/environ": "canary-self\x00",
	"proc/cmdline":      "root=/dev/sda rd.luks.key=canary-cmdline\n",
	"proc/1/cmdline":    "/sbin/init --canary-init\x00",
	"var/lib/kubelet/pki/kubelet-client-current.pem":     "canary-kubelet",
	"var/lib/kubelet/pods/a/volumes/s/token":             "canary-token",
	"etc/kubernetes/kubelet.conf":                        "canary-kubeconfig",
	"etc/shadow":                                         "root:canary-shadow",
	"var/run/secrets/kubernetes.io/serviceaccount/token": "canary-own-token",
	"etc/oracle-release":                                 "password=canary-password Authorization: Bearer canary-bearer-0123456789\n",
	"proc/version":                                       "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnktand0IjoxfQ.canary-jwt-signature\n",
	"etc/chrony.conf":                                    "server http://canary-user:canary-pass@10.0.0.5/\n-----BEGIN RSA PRIVATE KEY-----\ncanary-key\n-----END RSA PRIVATE KEY-----\n",
}

func TestNoSecretIsBundled(t *testing.T) {
	root := t.TempDir()
	for path, text := range canaries {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	// A link that leads out of the root, to a file of this process's.
	outside := filepath.Join(t.TempDir(), "mine")
	if err := errors.Join(os.WriteFile(outside, []byte("canary-outside"), 0o644), os.Symlink(outside, filepath.Join(root, "etc/resolv.conf")),
		syscall.Mkfifo(filepath.Join(root, "proc/loadavg"), 0o644)); err != nil {
		t.Fatal(err)
	}
	kmsg := func() ([]byte, error) {
		return []byte("<6>[    1.000000] eth0: 10.0.1.7 up\n<12>[    2.000000] app: canary-app-log\n<6>[    3.000000] token: canary-kernel\n"), nil
	}
	files, m := unpack(t, pack(t, NewRedactor(), Collect(root, kmsg)...))
	for name, text := range files {
		if i := strings.Index(text, "canary"); i >= 0 {
			t.Errorf("%s has %.60q in it", name, text[i:])
		}
	}
	if !strings.Contains(files["host/kernel.log"], "eth0: ip-") {
		t.Errorf("the kernel's log is %q", files["host/kernel.log"])
	}
	for _, name := range []string{"host/etc/resolv.conf", "host/proc/loadavg", "host/proc/meminfo"} {
		if !slices.ContainsFunc(m.Missing, func(x Missing) bool { return x.Name == name && x.Why != "" }) {
			t.Errorf("nothing says why %s is missing", name)
		}
	}
	for _, rule := range []string{"assignment", "bearer", "jwt", "private-key", "url-user", "ipv4"} {
		if m.Redacted[rule] == 0 || !slices.ContainsFunc(m.Redactions, func(x Redaction) bool { return x.Rule == rule && x.Line > 0 && x.File != "" }) {
			t.Errorf("nothing says that %s was struck: %v", rule, m.Redacted)
		}
	}
}

// Every rule is needed, and spares what it is not about.
func TestRedaction(t *testing.T) {
	r := NewRedactor()
	for text, want := range map[string]string{
		"ocid1.instance.oc1.iad.anuwcljrabc":  "ocid1.instance.id-",
		"from 10.0.1.7 to":                    "from ip-",
		"mac 02:00:17:0A:BC:de,":              "mac mac-",
		"2603:c020:400d::a":                   "ip-",
		"127.0.0.1 169.254.169.254 ::1":       "127.0.0.1 169.254.169.254 ::1",
		"linux 5.15.0-206.153.7.el8uek":       "linux 5.15.0-206.153.7.el8uek",
		"at 12:34:56 on 2026-03-01T12:00:00Z": "at 12:34:56 on 2026-03-01T12:00:00Z",
		"MemTotal: 16000000 kB":               "MemTotal: 16000000 kB",
		"tokens: none":                        struck,
		`{"apiKey": "abc"}`:                   `{"` + struck + `"}`,
	} {
		if got := r.Text(text); !strings.HasPrefix(got, want) {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	first, again, other := r.Text("10.0.1.7"), r.Text("10.0.1.7"), r.Text("10.0.1.8")
	if first != again || first == other {
		t.Errorf("a token does not stand for one thing: %s, %s, and %s for another", first, again, other)
	}
	if NewRedactor().Text("10.0.1.7") == first {
		t.Error("two runs have the same tokens")
	}
}

// A text is spared a search only if nothing would be found in it, however its
// letters are written: a long s is an s to the rules, and Kelvin's K a k.
func TestNothingIsSparedThatMatches(t *testing.T) {
	examples := map[string][]string{
		"private-key": {"-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"},
		"jwt":         {"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"},
		"bearer":      {"bearer abcdefghijklmnop", "basic YWxhZGRpbjpvcGVu"},
		"assignment":  {"passwd=x", "my_password: x", "passphrase = x", "secret: x", "token=x", "api_key=x", "apikey: x", "credentials=x", "private-key: x", "privatekey=x"},
		"url-user":    {"https://u:p@example.com"},
		"ocid":        {"ocid1.instance.oc1.iad.anuwcljr"},
		"mac":         {"02:00:17:0a:bc:de"},
		"ipv4":        {"10.0.1.7"},
		"ipv6":        {"2603:c020:400d::a"},
	}
	written := map[rune][]rune{'s': {'s', 'S', 'ſ'}, 'k': {'k', 'K', '\u212a'}}
	for _, rule := range rules {
		for _, text := range examples[rule.name] {
			if !rule.find.MatchString(text) || !rule.may(bytes.ToLower([]byte(text))) {
				t.Errorf("%s: %q is not found, or not searched", rule.name, text)
			}
			rapid.Check(t, func(rt *rapid.T) {
				data := []byte(strings.Map(func(c rune) rune {
					ways := written[c]
					if ways == nil {
						ways = []rune{c, unicode.ToUpper(c)}
					}
					return rapid.SampledFrom(ways).Draw(rt, "way")
				}, text))
				if rule.find.Match(data) && !rule.may(bytes.ToLower(data)) {
					rt.Errorf("%s would be found in %q, which is not searched", rule.name, data)
				}
			})
		}
		if len(examples[rule.name]) == 0 {
			t.Errorf("%s has no example", rule.name)
		}
	}
}

func TestCaps(t *testing.T) {
	big := File{Name: "big", Data: append(bytes.Repeat([]byte("x"), maxFile), []byte("the end")...)}
	files := []File{big}
	for range maxAll/maxFile + 1 {
		files = append(files, File{Name: "more" + string(rune('a'+len(files))), Data: big.Data})
	}
	_, m := unpack(t, pack(t, NewRedactor(), files...))
	total := 0
	for _, e := range m.Files {
		total += e.Bytes
		if !e.Cut || e.Bytes > maxFile {
			t.Errorf("%+v", e)
		}
	}
	if total > maxAll || len(m.Missing) == 0 || !strings.Contains(m.Missing[0].Why, "full") {
		t.Errorf("%d bytes, missing %v", total, m.Missing)
	}
}

// Whatever names and contents a node sends, the archive stays whole and inside
// its directory, and none of its addresses is in it.
func TestHostileFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var files []File
		seen := map[string]bool{}
		for range rapid.IntRange(0, 6).Draw(rt, "n") {
			f := File{Name: rapid.SampledFrom([]string{"a", "../a", "/etc/x", "host/../../x", "", "host/b", "c//d", "."}).Draw(rt, "name"),
				Data: []byte(rapid.StringMatching(`[\x00-\x7f]{0,40}10\.1\.2\.3 ?[a-z:=\n]{0,20}`).Draw(rt, "data"))}
			if !seen[f.Name] {
				seen[f.Name] = true
				files = append(files, f)
			}
		}
		out, _ := unpack(t, pack(t, NewRedactor(), files...))
		for name, text := range out {
			if strings.Contains(name, "..") || strings.HasPrefix(name, "/") {
				rt.Errorf("%q leads out", name)
			}
			if strings.Contains(text, " 10.1.2.3 ") {
				rt.Errorf("%s has an address in it", name)
			}
		}
	})
}
