package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/klauspost/compress/zstd"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// canary is a secret that no one may ever read in what tidemill says or writes.
func canary(what string) string { return "CANARY-" + what + "-5d3f9a" }

// secretive puts a canary wherever a pod's author may keep a secret, and where
// tidemill has no business to read it.
func secretive(p *corev1.Pod) {
	p.Annotations = map[string]string{"vault.hashicorp.com/token": canary("annotation")}
	c := &p.Spec.Containers[0]
	c.Command, c.Args = []string{"sh", "-c", canary("command")}, []string{"--password=" + canary("arg")}
	c.Env = []corev1.EnvVar{{Name: "PASSWORD", Value: canary("env")}}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{HTTPHeaders: []corev1.HTTPHeader{{Name: "Authorization", Value: canary("header")}}}}}
	c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{canary("hook")}}}}
	p.Spec.InitContainers = []corev1.Container{{Name: "init", Env: c.Env, Args: c.Args}}
	p.Status.Message = canary("status")
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Message: canary("condition")})
}

// TestNoCanaryLeaves: secrets in pods and in OCI's credentials are in nothing
// that is recorded, printed, logged or told as an error.
func TestNoCanaryLeaves(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 5))
	w.AddNode("workers", "n1")
	w.AddPod("runs", "500m", "1Gi", worldtest.On("n1"), secretive)
	w.AddPod("waits", "16", "1Gi", secretive)
	path := filepath.Join(t.TempDir(), "cluster.tidemill")
	l := planLook{snapshot: w.Snapshot(), doctor: json.RawMessage(`{"schema":"s","nodes":[]}`)}
	if err := l.write(path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := unpacked(t, raw)
	if !strings.Contains(text, "waits") {
		t.Fatal("the record was not unpacked: this test sees nothing")
	}
	noCanary(t, "the record", text)
	for _, args := range [][]string{{"plan", "--snapshot", path}, {"plan", "--snapshot", path, "-o", "json"}, {"plan", "--snapshot", path, "--log-level", "debug"}} {
		code, out := canaryRun(t, args...)
		if code != exitOK || !strings.Contains(out, "waits") {
			t.Fatalf("%v: exit %d:\n%s", args, code, out)
		}
		noCanary(t, strings.Join(args, " "), out)
	}
}

// TestNoCanaryInCredentialErrors: what is wrong with credentials is said without
// them.
func TestNoCanaryInCredentialErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := file("key.pem", "-----BEGIN RSA PRIVATE KEY-----\n"+canary("key")+"\n-----END RSA PRIVATE KEY-----\n")
	session := file("session", "not."+canary("session")+".token")
	profile := "[%s]\nuser=ocid1.user.oc1..u\nfingerprint=aa:bb\ntenancy=ocid1.tenancy.oc1..t\nregion=us-ashburn-1\npass_phrase=" + canary("passphrase") + "\nkey_file=" + key + "\n"
	config := file("config", fmt.Sprintf(profile, "DEFAULT")+"\n"+fmt.Sprintf(profile, "SESSION")+"security_token_file="+session+"\n")
	kubeconfig := file("kubeconfig", `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"users":[{"name":"u","user":{"token":"`+canary("serviceaccount")+`"}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}`)
	t.Setenv("OCI_CLI_PASSPHRASE", canary("environment"))
	for _, name := range []string{"DEFAULT", "SESSION"} {
		code, out := canaryRun(t, "plan", "--kubeconfig", kubeconfig, "--oci-config", config, "--oci-profile", name,
			"--compartment-id", "ocid1.compartment.oc1..c", "--cluster-id", "ocid1.cluster.oc1.iad.c", "--log-level", "debug")
		if code == exitOK || out == "" {
			t.Fatalf("profile %s: exit %d: %q", name, code, out)
		}
		noCanary(t, "profile "+name, out)
	}
	code, out := canaryRun(t, "status", "--kubeconfig", kubeconfig, "--log-level", "debug")
	if code != exitBlind {
		t.Fatalf("status: exit %d: %q", code, out)
	}
	noCanary(t, "status", out)
}

func canaryRun(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), append([]string{"tidemill"}, args...), &out, &out)
	return code, out.String()
}

func noCanary(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.Index(text, "CANARY-"); i >= 0 {
		t.Errorf("%s tells a secret: ...%.200q", where, text[max(i-80, 0):])
	}
}

// unpacked is a recorded file as text, whichever way it is compressed.
func unpacked(t *testing.T, raw []byte) string {
	t.Helper()
	var from io.Reader = bytes.NewReader(raw)
	if z, err := gzip.NewReader(bytes.NewReader(raw)); err == nil {
		from = z
	} else if z, err := zstd.NewReader(bytes.NewReader(raw)); err == nil && raw[0] == 0x28 {
		defer z.Close()
		from = z
	}
	text, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
