package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadCommand gives the command what cannot work: an error of one sentence, a
// hint, and the exit code that the help promises.
func TestBadCommand(t *testing.T) {
	env := open(t, Options{Pools: OnePool(1), Policies: OnePolicy(1, 2)})
	broken := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(broken, []byte("this is no ini file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  []string
		args []string
		code int
		say  string // in the error
	}{
		{"unknown flag", nil, []string{"status", "--colour"}, 2, "colour"},
		{"unknown command", nil, []string{"scale"}, 2, "scale"},
		{"missing OCI config", []string{"TIDEMILL_OCI_CONFIG=/nowhere/config"}, []string{"plan"}, 3, "/nowhere/config"},
		{"broken OCI config", []string{"TIDEMILL_OCI_CONFIG=" + broken}, []string{"plan"}, 3, broken},
		{"wrong OCI key", []string{"TIDEMILL_OCI_CONFIG=" + wrongKey(t, env)}, []string{"plan"}, 3, "authoriz"},
		{"unreachable OCI endpoint", []string{"TIDEMILL_OCI_ENDPOINT=http://127.0.0.1:1"}, []string{"plan"}, 3, "127.0.0.1:1"},
		{"unknown OKE cluster", []string{"TIDEMILL_CLUSTER_ID="}, []string{"plan"}, 2, "--cluster-id"},
		{"missing kubeconfig", []string{"KUBECONFIG="}, []string{"status", "--kubeconfig", "/nowhere/kubeconfig"}, 3, "/nowhere/kubeconfig"},
		{"unreachable API server", []string{"KUBECONFIG=" + elsewhere(t, env)}, []string{"status"}, 3, "127.0.0.1:1"},
		{"unknown pool", nil, []string{"cycle", "nosuchpool"}, 1, "nosuchpool"},
		{"unknown node", nil, []string{"doctor", "nosuchnode"}, 2, "nosuchnode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := within(t, 5*time.Minute)
			_, talk, code, err := Command(ctx, tidemill(t), append(env.UserEnv(), tt.env...), tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if n := strings.Count(talk, "tidemill: error: "); n != 1 || !strings.Contains(talk, tt.say) {
				t.Errorf("%d sentences, want one that says %q", n, tt.say)
			}
			if !strings.Contains(talk, "tidemill: hint: ") {
				t.Error("no hint")
			}
			if strings.Contains(talk, "panic") || strings.Contains(talk, "goroutine ") {
				t.Error("the program's insides are shown")
			}
			t.Logf("%s:\n%s", strings.Join(tt.args, " "), talk)
		})
	}
	t.Run("daemon with a wrong OCI key", func(t *testing.T) {
		badCloud(t, env, "TIDEMILL_OCI_CONFIG="+wrongKey(t, env), "the cloud refuses tidemill's credentials")
	})
	t.Run("daemon with an unreachable OCI endpoint", func(t *testing.T) {
		badCloud(t, env, "TIDEMILL_OCI_ENDPOINT=http://127.0.0.1:1", "the cloud does not answer")
	})
}

// wrongKey is the cluster's OCI config with a key that nobody knows.
func wrongKey(t *testing.T, env *Env) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return rewrite(t, env.Cluster.OCIConfig(), filepath.Join(dir, "config"), func(line string) string {
		if strings.HasPrefix(line, "key_file") {
			return "key_file=" + path
		}
		return line
	})
}

// elsewhere is the administrator's kubeconfig with a server that is not there.
func elsewhere(t *testing.T, env *Env) string {
	t.Helper()
	return rewrite(t, env.Cluster.Kubeconfig(), filepath.Join(t.TempDir(), "kubeconfig"), func(line string) string {
		if before, _, ok := strings.Cut(line, "server: "); ok {
			return before + "server: https://127.0.0.1:1"
		}
		return line
	})
}

func rewrite(t *testing.T, from, to string, change func(string) string) string {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i := range lines {
		lines[i] = change(lines[i])
	}
	if err := os.WriteFile(to, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
