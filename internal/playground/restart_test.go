package playground

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/internal/okesim"
)

// TestRestartAPI: the API server dies under everybody, comes back with what was
// stored, and the cluster goes on by itself: nodes, scheduler, controllers.
func TestRestartAPI(t *testing.T) {
	pool := DemoPools()[0]
	pool.Size = 1
	c, err := Start(t.Context(), Options{Pools: []okesim.Pool{pool}, EtcdDoor: true, NodeMonitorGrace: 40 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	ready := func(n int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			is := 0
			if err == nil {
				for i := range nodes.Items {
					if nodeReady(&nodes.Items[i]) {
						is++
					}
				}
			}
			if is == n {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%d nodes ready, want %d; %v", is, n, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	ready(1)
	told := make(chan string, 10000)
	following := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	followed := make(chan error, 1)
	go func() {
		followed <- c.Follow(ctx, following, func(k Kept) error {
			if strings.HasPrefix(k.Key, "/registry/minions/") && k.Value != nil {
				o, err := k.Object()
				if err != nil {
					return err
				}
				told <- o.(*corev1.Node).Spec.ProviderID
			}
			return nil
		})
	}()
	<-following
	watch, err := client.CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		begin := time.Now()
		if err := c.RestartAPI(t.Context(), 500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		t.Logf("restart %d: down for %.1f s", i+1, time.Since(begin).Seconds())
	}
	for range watch.ResultChan() { // ends: the watch died with its server
	}
	ready(1)
	c.EtcdDoor().Slow(20 * time.Millisecond)
	begin := time.Now()
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil || time.Since(begin) < 20*time.Millisecond {
		t.Errorf("list in %s, %v: it did not pass the slow door", time.Since(begin), err)
	}
	c.EtcdDoor().Slow(0)
	if _, err := c.Sim().UpdatePool(c.PoolID("workers"), okesim.PoolUpdate{Size: ptr(2)}, ""); err != nil {
		t.Fatal(err)
	}
	ready(2)
	// Who follows what is stored sees the first node before and the second one after
	// the restarts.
	seen := map[string]bool{}
	for deadline := time.After(patience); len(seen) < 2; {
		select {
		case id := <-told:
			seen[id] = true
		case <-deadline:
			t.Fatalf("%d nodes were told, want 2: %v", len(seen), seen)
		}
	}
	stop()
	if err := <-followed; err != nil {
		t.Error(err)
	}
}

// TestDoor: each mode does what it says to connections that stand and to new ones.
func TestDoor(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	defer server.Close()
	d, err := NewDoor(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}
	ask := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Address(), nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "here" {
			return fmt.Errorf("answer %q, %w", body, err)
		}
		return nil
	}
	for _, step := range []struct {
		say      string
		turn     func()
		patience time.Duration
		refused  string // "" is an answer
		atLeast  time.Duration
	}{
		{"pass", func() {}, patience, "", 0},
		{"silent", func() { d.Turn(DoorSilent) }, 100 * time.Millisecond, "deadline", 100 * time.Millisecond},
		{"pass again", func() { d.Turn(DoorPass) }, patience, "", 0},
		{"refuse", func() { d.Turn(DoorRefuse) }, patience, "E", 0},
		{"pass after refusal", func() { d.Turn(DoorPass) }, patience, "", 0},
		{"slow", func() { d.Slow(60 * time.Millisecond) }, patience, "", 120 * time.Millisecond},
		{"quick", func() { d.Slow(0); d.Cut() }, patience, "", 0},
	} {
		step.turn()
		begin := time.Now()
		err := ask(step.patience)
		took := time.Since(begin)
		if (err == nil) != (step.refused == "") || took < step.atLeast {
			t.Errorf("%s: %v after %s", step.say, err, took)
		}
		if step.refused == "deadline" && (err == nil || !strings.Contains(err.Error(), "deadline")) {
			t.Errorf("%s: %v, want no answer at all", step.say, err)
		}
	}
	if bytes, cuts := d.Passed(); bytes == 0 || cuts == 0 {
		t.Errorf("%d bytes passed, %d connections cut", bytes, cuts)
	}
}
