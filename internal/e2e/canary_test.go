package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// canaries are secrets that must never be read in what tidemill says or writes,
// by where they stand. Most are planted; the token and the key are the real ones.
type canaries map[string]string

// plantCanaries puts secrets where people of a cluster keep them: in a Secret, in
// pods that run and pods that wait, in annotations of a Node and of a Pool.
func plantCanaries(ctx context.Context, t *testing.T, env *Env) canaries {
	t.Helper()
	found := realSecrets(t, env)
	plant := func(what string) string {
		found[what] = "CANARY-" + strings.ReplaceAll(what, " ", "-") + "-8c51e0"
		return found[what]
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "db"}, StringData: map[string]string{"password": plant("a Secret")}}}
	for name, cpu := range map[string]string{"runs": "100m", "waits": "900"} {
		// Of a ReplicaSet, so that it gives way to a drain.
		labels := map[string]string{"app": name}
		objects = append(objects, &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: name}, Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{
				"vault.hashicorp.com/token": plant(name + " annotation"), "playground.tidemill.dev/stops-in-seconds": "1"}}, // each drain would wait for half a minute
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "app", Image: "registry.k8s.io/pause:3.10", Command: []string{plant(name + " command")}, Args: []string{"--password=" + plant(name+" argument")},
				Env:       []corev1.EnvVar{{Name: "PASSWORD", Value: plant(name + " environment")}},
				Resources: corev1.ResourceRequirements{Requests: ask(cpu, "64Mi")},
			}}},
		}}})
	}
	for _, o := range objects {
		if err := env.Client.Create(ctx, o); err != nil {
			t.Fatalf("plant %s: %v", o.GetName(), err)
		}
	}
	nodes, _, err := env.NodesOf(ctx, "workers")
	if err != nil || len(nodes) == 0 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	note := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/join-token":%q}}}`, plant("a Node's annotation"))
	if err := env.Client.Patch(ctx, &nodes[0], client.RawPatch("application/merge-patch+json", note)); err != nil {
		t.Fatal(err)
	}
	if err := env.Annotate(ctx, "workers", "example.com/api-key", plant("a Pool's annotation")); err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	tokenInFile = regexp.MustCompile(`token: (\S+)`)
	keyInFile   = regexp.MustCompile(`key_file *= *(\S+)`)
)

// realSecrets are the daemon's own: its token and a line out of the middle of its
// key.
func realSecrets(t *testing.T, env *Env) canaries {
	t.Helper()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	token := tokenInFile.FindStringSubmatch(read(filepath.Join(env.Cluster.Dir(), "kubeconfig-"+namespace+"-"+serviceAccount)))
	key := keyInFile.FindStringSubmatch(read(env.Cluster.OCIConfig()))
	if token == nil || key == nil {
		t.Fatalf("token %v, key %v: the daemon's secrets were not found", token != nil, key != nil)
	}
	lines := strings.Split(strings.TrimSpace(read(key[1])), "\n")
	parts := strings.Split(token[1], ".")
	return canaries{"the daemon's token": parts[len(parts)-1], "the daemon's API key": strings.TrimSpace(lines[len(lines)/2])}
}

// sung are everything that tidemill has said and written by now, by where.
func sung(ctx context.Context, t *testing.T, env *Env) map[string]string {
	t.Helper()
	said := map[string]string{}
	log, err := os.ReadFile(env.Daemon.Log())
	if err != nil {
		t.Fatal(err)
	}
	said["the log"] = string(log)
	answer, err := http.Get("http://" + env.options.MetricsAddress + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	metrics, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	said["the metrics"] = string(metrics)
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"plan"}, {"plan", "-o", "json"}, {"doctor", "-o", "json", "-v"}, {"plan", "--log-level", "debug"}} {
		out, talk, _, err := env.CLI(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		said[strings.Join(args, " ")] = out + talk
	}
	said["the objects"] = written(ctx, t, env)
	return said
}

// written are events, statuses, conditions and the ConfigMaps: what stands in the
// API server for everybody to read. Annotations of others are left out: they are
// where the canaries sit.
func written(ctx context.Context, t *testing.T, env *Env) string {
	t.Helper()
	var all bytes.Buffer
	add := func(v any) {
		if err := json.NewEncoder(&all).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	var events corev1.EventList
	var pools v1alpha1.PoolList
	var nodes corev1.NodeList
	var maps corev1.ConfigMapList
	for _, list := range []client.ObjectList{&events, &pools, &nodes, &maps} {
		if err := env.Client.List(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	add(events.Items)
	add(maps.Items)
	for _, p := range pools.Items {
		add(p.Status)
	}
	for _, n := range nodes.Items {
		add(n.Status.Conditions)
		for key, value := range n.Annotations {
			if strings.HasPrefix(key, "tidemill.dev/") {
				add(value)
			}
		}
	}
	return all.String()
}

// canariesAreSilent looks for the secrets in everything that tidemill has said in
// a whole test of bad input, at its most talkative.
func canariesAreSilent(t *testing.T, s *Stage, found canaries) {
	ctx := within(t, 5*time.Minute)
	said := sung(ctx, t, s.Env)
	// What was looked at must be what people read: each has to know of the pool.
	for where, text := range said {
		if !strings.Contains(text, "workers") {
			t.Errorf("%s: %d bytes without a word about the pool: nothing was looked at", where, len(text))
		}
		for what, secret := range found {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows %s: %q", where, what, text[max(0, i-80):min(len(text), i+len(secret))])
			}
		}
	}
}
