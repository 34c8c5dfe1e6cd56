package house

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var bite = flag.Bool("bite", false, "break what SECURITY.md promises, one item after the other, and see that its test fails; takes minutes")

// wounds are what TestSecurityBites breaks: an item of SECURITY.md, its test, and
// a change after which the promise does not hold.
var wounds = []struct{ item, dir, test, file, old, new string }{
	{"S1", "manifests", "TestPodIsRestricted", "manifests/base/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false"},
	{"S3", "manifests", "TestContainers", "manifests/base/deployment.yaml", "{name: GOMEMLIMIT, value: 920MiB}", "{name: OTHER, value: x}"},
	{"S3", "manifests", "TestReplicasAndBudget", "manifests/base/deployment.yaml", "replicas: 2", "replicas: 1"},
	{"S4", "manifests", "TestNoDangerousRight", "manifests/base/rbac.yaml", "resources: [nodes/status]", "resources: [nodes/status, secrets]"},
	{"S4", "manifests", "TestBindingsMatch", "manifests/base/rbac.yaml", "kind: ClusterRole, name: tidemill}\nsubjects", "kind: ClusterRole, name: cluster-admin}\nsubjects"},
	{"S5", "cloudprovider/oke", "TestRequiredPolicyIsEnough", "manifests/iam/policy.txt", "to manage cluster-node-pools in", "to read cluster-node-pools in"},
	{"S8", "cloudprovider/externalgrpc", "TestServeOverMutualTLS", "cloudprovider/externalgrpc/tls.go", "tls.RequireAndVerifyClientCert", "tls.NoClientCert"},
	{"S9", "cloudprovider/externalgrpc", "TestSilentClientIsHungUpOn", "cloudprovider/externalgrpc/wire/bounds.go", "grpc.ConnectionTimeout(HandshakeTime)", "grpc.ConnectionTimeout(1000 * HandshakeTime)"},
	{"S11", "internal/kube", "TestEventsArePlain", "internal/kube/events.go", `plain.Cut(fmt.Sprintf(note, args...), maxNote)`, `fmt.Sprintf(note, args...)`},
	{"S11", "internal/plain", "FuzzLine", "internal/plain/plain.go", `if !clean(s, "") {`, `if false {`},
	{"S17", "doctor/bundle", "TestNoSecretIsBundled", "doctor/bundle/redact.go", "found := rule.find.FindAllIndex(data, -1)", "found := rule.find.FindAllIndex(nil, -1)"},
	{"S18", "doctor/bundle", "TestHostileFiles", "doctor/bundle/bundle.go", "return name != \"\" && path.Clean(name) == name && !path.IsAbs(name) && name != \"..\" && !bytes.HasPrefix([]byte(name), []byte(\"../\"))", "_, _ = path.Clean, bytes.HasPrefix; return name != \"\""},
	{"S19", "internal/kube", "TestFence", "internal/kube/fence.go", "case !time.Now().Before(end):", "case false:"},
	{"S20", "internal/house", "TestTheBuildIsPinned", "Makefile", "go vet ./...", "go install x@latest"},
}

// The list of wounds fits the tree: each place is there, once, and SECURITY.md
// names the test. With -bite each is made in a copy of the tree, and the test
// must fail:
//
//	go test ./internal/house -run TestSecurityBites -timeout 60m -v -args -bite
func TestSecurityBites(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wounds {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(w.file)))
		if err != nil || strings.Count(string(text), w.old) != 1 {
			t.Errorf("%s %s: %q is %d times in %s, %v: want once", w.item, w.test, w.old, strings.Count(string(text), w.old), w.file, err)
		}
		if !strings.Contains(string(page), "`"+w.test+"`") {
			t.Errorf("SECURITY.md does not name %s", w.test)
		}
	}
	if *bite && !t.Failed() {
		wounded := copied(t, root)
		for _, w := range wounds {
			t.Run(w.item+"/"+w.test, func(t *testing.T) { wound(t, wounded, w.dir, w.test, w.file, w.old, w.new) })
		}
	}
}

// copied is the tree as it stands, what git does not know of left out.
func copied(t *testing.T, root string) string {
	t.Helper()
	list, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Skipf("list the tree: %v: this is no work tree of git", err)
	}
	to := t.TempDir()
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSpace(name)
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func wound(t *testing.T, tree, dir, test, file, old, broken string) {
	path := filepath.Join(tree, filepath.FromSlash(file))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}()
	if err := os.WriteFile(path, []byte(strings.Replace(string(whole), old, broken, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "test", "./"+dir, "-run", "^"+test+"$", "-timeout", "5m")
	run.Dir = tree
	out, err := run.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--- FAIL: "+test) {
		t.Errorf("%s holds with %q in %s: %v\n%s", test, broken, file, err, out)
	}
}
