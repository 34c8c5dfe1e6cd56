package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// scraper may read the metrics.
const scraper = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scraper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tidemill-metrics-reader}
subjects: [{kind: ServiceAccount, namespace: default, name: scraper}]
`

// TestMetricsAreGuarded runs the daemon with the metrics' flags of the Deployment
// and asks as nobody, as somebody, and as somebody who may.
func TestMetricsAreGuarded(t *testing.T) {
	env := open(t, Options{Pools: OnePool(1), Policies: map[string]v1alpha1.PoolSpec{}})
	address := freeAddress(t)
	guarded := restarted(t, env, func(args []string) []string {
		i := slices.Index(args, "--metrics-address")
		return append(slices.Replace(slices.Clone(args), i+1, i+2, address), "--metrics-secure")
	})
	ctx := within(t, 10*time.Minute)
	// Applied, and so in force: the daemon remembers a refusal for half a minute.
	if err := env.Cluster.Apply(ctx, []byte(scraper)); err != nil {
		t.Fatal(err)
	}
	s := stage(env)
	for _, tt := range []struct {
		who, token string
		status     int
	}{
		{"nobody", "", http.StatusUnauthorized},
		// controller-runtime answers a token that the API server does not know with
		// 500; what matters is that nothing is told.
		{"a forger", "not.a.token", http.StatusInternalServerError},
		{"somebody", tokenOf(t, env, "somebody"), http.StatusForbidden},
		{"a scraper", tokenOf(t, env, "scraper"), http.StatusOK},
	} {
		t.Run(tt.who, func(t *testing.T) {
			if err := s.Wait(ctx, "an answer", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
				status, body, err := scrape(ctx, "https://"+address+"/metrics", tt.token)
				if err != nil {
					return false, err.Error(), nil // it is not listening yet
				}
				if status == http.StatusOK && !strings.Contains(body, "tidemill_build_info") {
					return false, "the daemon's metrics are missing", nil
				}
				return status == tt.status, fmt.Sprintf("status %d, want %d", status, tt.status), nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	if _, _, err := scrape(ctx, "http://"+address+"/metrics", ""); err == nil {
		if status, _, _ := scrape(ctx, "http://"+address+"/metrics", ""); status == http.StatusOK {
			t.Error("metrics are served without TLS")
		}
	}
	if err := guarded.Err(); err != nil {
		t.Error(err)
	}
}

// restarted is the daemon with other arguments; the one before has ended.
func restarted(t *testing.T, env *Env, change func([]string) []string) *Daemon {
	t.Helper()
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	d := NewDaemon(env.Daemon.binary, env.Dir(), env.Daemon.env, change(env.Daemon.args)...)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// tokenOf makes a service account and a token of it.
func tokenOf(t *testing.T, env *Env, name string) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := env.Client.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{}
	if err := env.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func scrape(ctx context.Context, url, token string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	// The certificate is made by the daemon for itself.
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// freeAddress is one that nobody listens on. It is below the ports that systems
// give to whoever asks for any: between now and the time when it is listened on,
// none of the connections that are made meanwhile can take it.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err != nil {
			continue // somebody listens there
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}
