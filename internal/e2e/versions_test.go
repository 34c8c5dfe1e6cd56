package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// nextVersion is what the second binary says it is.
const nextVersion = "99.0.0"

// buildNext makes the same sources into another version.
func buildNext(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tidemill")
	out, err := exec.Command("go", "build", "-ldflags", "-X main.version="+nextVersion, "-o", path, "github.com/tidemill/tidemill/cmd/tidemill").CombinedOutput()
	if err != nil {
		t.Fatalf("build tidemill: %v\n%s", err, out)
	}
	return path
}

// TestTwoVersions has two versions run beside each other in a turn-over, as in each
// upgrade, and then takes the upgrade back the hard way: one acts and the other says
// that it waits, the heir goes on where the other stopped, each machine is replaced
// once. A second installation, with a Lease of its own, ends and says beside what.
func TestTwoVersions(t *testing.T) {
	env := open(t, Options{Pools: OnePool(3), Policies: OnePolicy(3, 5)})
	s, ctx := stage(env), within(t, 15*time.Minute)
	if err := s.atRest(ctx, "workers"); err != nil {
		t.Fatal(err)
	}
	old := env.Daemon
	next := NewDaemon(buildNext(t), t.TempDir(), old.env, old.args...)
	t.Cleanup(func() { _ = next.Stop() })
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	says(ctx, t, next, "another version leads", "own="+nextVersion)
	var before Fleet
	result, err := s.Turn(ctx, Turn{Pool: "workers", Key: v1alpha1.AnnotationCycle, Value: "two-versions", Meanwhile: func(ctx context.Context, s *Stage, fleet Fleet) error {
		before = fleet
		if err := s.deleted(ctx, fleet, 1); err != nil {
			return err
		}
		if err := old.Stop(); err != nil { // the upgrade
			return err
		}
		if err := s.leads(ctx, nextVersion); err != nil {
			return err
		}
		if err := os.Truncate(old.Log(), 0); err != nil {
			return err
		}
		if err := old.Start(); err != nil {
			return err
		}
		says(ctx, t, old, "another version leads", "version="+nextVersion)
		if err := s.deleted(ctx, fleet, 2); err != nil {
			return err
		}
		return next.Kill() // and the way back, without a word
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("turned over in %.1f s by two versions, available never below %d, machines never above %d", result.took.Seconds(), result.seen.LeastAvailable, result.seen.MostMachines)
	for _, node := range before {
		s.once(ctx, t, "InstanceDeleted", node)
	}
	for _, reason := range []string{"CycleStarted", "CycleFinished"} {
		s.once(ctx, t, reason, "workers")
	}
	secondInstallation(t, s)
}

// secondInstallation is a chart that is installed beside the manifests.
func secondInstallation(t *testing.T, s *Stage) {
	t.Helper()
	_, talk, code, err := Command(within(t, 5*time.Minute), s.options.Tidemill, s.Daemon.env, append(s.Daemon.args, "--namespace", "tidemill-two")...)
	if err != nil || code != 1 {
		t.Errorf("beside another installation: exit code %d, %v: want 1", code, err)
	}
	for _, want := range []string{"another installation of tidemill works on this cluster", "holds the Lease " + namespace + "/tidemill", "hint: keep one"} {
		if !strings.Contains(talk, want) {
			t.Errorf("it does not say %q:\n%s", want, talk)
		}
	}
}

// says waits for words in a daemon's log.
func says(ctx context.Context, t *testing.T, d *Daemon, words ...string) {
	t.Helper()
	err := Until(ctx, "the daemon to say so", 2*time.Minute, nil, func(context.Context) (bool, string, error) {
		text, err := os.ReadFile(d.Log())
		for _, w := range words {
			if !strings.Contains(string(text), w) {
				return false, fmt.Sprintf("%q is not in its log", w), err
			}
		}
		return true, "", err
	})
	if err != nil {
		t.Error(err)
	}
}

// leads waits until this version has signed the Lease.
func (s *Stage) leads(ctx context.Context, version string) error {
	return s.Wait(ctx, "version "+version+" to lead", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		var l coordinationv1.Lease
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "tidemill"}, &l); err != nil || l.Spec.HolderIdentity == nil {
			return false, "nobody leads", err
		}
		return strings.Contains(*l.Spec.HolderIdentity, "_"+version+"_"), *l.Spec.HolderIdentity + " leads", nil
	})
}

// deleted waits until so many of these machines have been let go.
func (s *Stage) deleted(ctx context.Context, fleet Fleet, want int) error {
	return s.Wait(ctx, fmt.Sprintf("%d machines to go", want), 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		gone := 0
		for _, node := range fleet {
			n, err := s.happened(ctx, "InstanceDeleted", node)
			if err != nil {
				return false, "", err
			}
			gone += min(n, 1)
		}
		return gone >= want, fmt.Sprintf("%d are gone", gone), nil
	})
}

// once checks that an event is told once. It may be written a moment after what it
// tells of.
func (s *Stage) once(ctx context.Context, t *testing.T, reason, name string) {
	t.Helper()
	n := 0
	err := s.Wait(ctx, "event "+reason+" of "+name, time.Minute, func(ctx context.Context) (told bool, now string, err error) {
		n, err = s.happened(ctx, reason, name)
		return n > 0, "there is none", err
	})
	if err != nil || n > 1 {
		t.Errorf("%s of %s: %d times, %v", reason, name, n, err)
	}
}

// happened is how often an event of this reason was told of an object.
func (s *Stage) happened(ctx context.Context, reason, name string) (int, error) {
	var list corev1.EventList
	if err := s.Client.List(ctx, &list, client.MatchingFields{"reason": reason, "involvedObject.name": name}); err != nil {
		return 0, err
	}
	n := 0
	for _, e := range list.Items {
		n++
		if e.Series != nil {
			n += int(e.Series.Count) - 1
		}
	}
	return n, nil
}
