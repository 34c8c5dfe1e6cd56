package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// prometheus is the real one, as a process of its own beside the daemon. It runs
// under the configuration, the rules and the rights that are shipped.
type prometheus struct {
	process *Daemon
	address string
	began   time.Time
}

// shippedMonitoring is where the configuration is.
const shippedMonitoring = "../../manifests/monitoring/prometheus/"

// withPrometheus starts it, nil if this machine has none. Debian's package is
// called prometheus.
func withPrometheus(t *testing.T, env *Env) *prometheus {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil
	}
	ctx := within(t, 5*time.Minute)
	giveRights(ctx, t, env)
	mayDiscover(ctx, t, env)
	dir := filepath.Join(env.Dir(), "prometheus")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &prometheus{address: freeAddress(t), began: time.Now()}
	p.process = &Daemon{binary: binary, log: filepath.Join(env.Dir(), "prometheus.log"), args: []string{
		"--config.file=" + configure(ctx, t, env, dir), "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + p.address, "--log.level=warn",
	}}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.process.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := Until(ctx, "Prometheus to read the daemon's metrics", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		if err := p.process.Err(); err != nil {
			return false, "", err
		}
		up, err := p.lines(ctx, `up{job="tidemill"} == 1`)
		return len(up) == 1, fmt.Sprint(err), nil // it does not listen at once
	}); err != nil {
		t.Fatalf("%v, see %s", err, p.process.Log())
	}
	return p
}

// giveRights makes kube-prometheus' account and gives it what rbac.yaml gives it.
func giveRights(ctx context.Context, t *testing.T, env *Env) {
	t.Helper()
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "prometheus-k8s"}},
	} {
		if err := env.Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	applyFile(ctx, t, env, shippedMonitoring+"rbac.yaml")
}

// mayDiscover: the account may list and watch what discovery asks for, in tidemill's
// namespace.
func mayDiscover(ctx context.Context, t *testing.T, env *Env) {
	t.Helper()
	for _, tt := range []struct{ group, resource string }{{"discovery.k8s.io", "endpointslices"}, {"", "endpoints"}, {"", "services"}, {"", "pods"}} {
		for _, verb := range []string{"list", "watch"} {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:monitoring:prometheus-k8s",
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: tt.group, Resource: tt.resource},
			}}
			if err := env.Client.Create(ctx, review); err != nil {
				t.Fatal(err)
			}
			if !review.Status.Allowed {
				t.Errorf("rbac.yaml does not let Prometheus %s %s", verb, tt.resource)
			}
		}
	}
}

// configure writes the shipped configuration with what is otherwise outside a
// cluster: a look a second, because a story has minutes; the token in another file;
// and what discovery would find, for Debian leaves discovery by Kubernetes out.
func configure(ctx context.Context, t *testing.T, env *Env, dir string) string {
	t.Helper()
	kubeconfig, err := env.Cluster.ServiceAccountKubeconfig(ctx, "monitoring", "prometheus-k8s")
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	text, err := os.ReadFile(shippedMonitoring + "prometheus.yml")
	if err == nil {
		err = yaml.UnmarshalStrict(text, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	config["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	job := config["scrape_configs"].([]any)[0].(map[string]any)
	job["authorization"] = map[string]any{"credentials_file": tokenFile(t, kubeconfig, dir)}
	delete(job, "kubernetes_sd_configs")
	job["static_configs"] = []any{
		discovered(env.options.MetricsAddress, "tidemill-metrics", "metrics"),
		discovered("192.0.2.10:9443", "somebody-else", "metrics"), // must not be scraped
	}
	if text, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(shippedMonitoring + "rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"prometheus.yml": text, "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

// discovered is a target as discovery by Kubernetes would tell of it, in the words
// of Prometheus' documentation.
func discovered(address, service, port string) map[string]any {
	return map[string]any{"targets": []string{address}, "labels": map[string]string{
		"__meta_kubernetes_namespace": namespace, "__meta_kubernetes_service_name": service,
		"__meta_kubernetes_endpointslice_port_name": port, "__meta_kubernetes_pod_name": service + "-0",
	}}
}

// tokenFile has the token of a kubeconfig, as a pod has it mounted.
func tokenFile(t *testing.T, kubeconfig, dir string) string {
	t.Helper()
	var content struct {
		Users []struct{ User struct{ Token string } }
	}
	text, err := os.ReadFile(kubeconfig)
	if err == nil {
		err = yaml.Unmarshal(text, &content)
	}
	if err != nil || len(content.Users) != 1 || content.Users[0].User.Token == "" {
		t.Fatalf("%s has no token: %v", kubeconfig, err)
	}
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, []byte(content.Users[0].User.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask reads the data of an answer of its API.
func (p *prometheus) ask(ctx context.Context, path string, query url.Values, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if body.Status != "success" {
		return fmt.Errorf("ask for %s: %s", path, body.Error)
	}
	return nil
}

// line is a line of a panel.
type line struct {
	Metric map[string]string
	Values [][2]any // seconds since the epoch, and a number as text
}

// lines are what an expression is from the beginning until now, without those that
// are no number all the time.
func (p *prometheus) lines(ctx context.Context, expr string) ([]line, error) {
	var data struct{ Result []line }
	err := p.ask(ctx, "query_range", url.Values{
		"query": {expr}, "step": {"2s"},
		"start": {fmt.Sprint(p.began.Unix())}, "end": {fmt.Sprint(time.Now().Unix())},
	}, &data)
	var out []line
	for _, l := range data.Result {
		for _, v := range l.Values {
			if v[1] != "NaN" {
				out = append(out, l)
				break
			}
		}
	}
	return out, err
}
