package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tenant is who holds a Lease of tidemill's, in whatever namespace.
type tenant struct {
	namespace, identity string
	since               time.Time
}

// identity is how this process signs the Lease: "HOST_VERSION_UNIQUE", so that
// kubectl get lease says what leads.
func identity(host, version string, unique types.UID) string {
	return strings.Join([]string{host, strings.ReplaceAll(version, "_", "-"), string(unique)}, "_")
}

// version is what it signed with; "" where a version before that signed.
func (t tenant) version() string {
	parts := strings.Split(t.identity, "_")
	if len(parts) < 3 {
		return ""
	}
	return parts[len(parts)-2]
}

// lock is the Lease, signed with this build's version, and events of its changes.
func lock(c *cluster, f runFlags) (resourcelock.Interface, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this process: %w", err)
	}
	id := identity(host, thisBuild().Version, uuid.NewUUID())
	config := rest.AddUserAgent(rest.CopyConfig(c.config), "leader-election")
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("open API server %s: %w", c.server, err)
	}
	events := record.NewBroadcaster()
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: set.CoreV1().Events("")})
	return resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, f.namespace, leaseName, resourcelock.ResourceLockConfig{
		Identity: id, EventRecorder: events.NewRecorder(c.client.Scheme(), corev1.EventSource{Component: "tidemill"}),
	}, config, f.renewDeadline)
}

// tenants are all who hold a Lease of this name now. It takes the right to list
// Leases of that name only.
func tenants(ctx context.Context, c client.Reader, held func(*coordinationv1.Lease) bool) ([]tenant, error) {
	var list coordinationv1.LeaseList
	if err := c.List(ctx, &list, client.MatchingFields{"metadata.name": leaseName}); err != nil {
		return nil, fmt.Errorf("list leases %s: %w", leaseName, err)
	}
	var out []tenant
	for i := range list.Items {
		if l := &list.Items[i]; held(l) {
			out = append(out, holder(l))
		}
	}
	return out, nil
}

// holder is who signed the Lease last.
func holder(l *coordinationv1.Lease) tenant {
	t := tenant{namespace: l.Namespace, since: l.CreationTimestamp.Time}
	if l.Spec.HolderIdentity != nil {
		t.identity = *l.Spec.HolderIdentity
	}
	if l.Spec.AcquireTime != nil {
		t.since = l.Spec.AcquireTime.Time
	}
	return t
}

// asTold is whether the Lease is held, if its holder's clock is as ours: all that one
// look can say.
func asTold(now time.Time) func(*coordinationv1.Lease) bool {
	return func(l *coordinationv1.Lease) bool { return signed(l) && now.Before(l.Spec.RenewTime.Add(lasts(l))) }
}

func signed(l *coordinationv1.Lease) bool {
	s := l.Spec
	return s.HolderIdentity != nil && *s.HolderIdentity != "" && s.RenewTime != nil && s.LeaseDurationSeconds != nil
}

func lasts(l *coordinationv1.Lease) time.Duration {
	return time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
}

// sightings tell by our own clock who renews a Lease: it is held as long as what
// stands in it changes, whatever time that is. The clock of a machine that is half a
// minute behind had hidden an installation, and one ahead keeps a dead one alive.
type sightings map[string]sighting // by namespace

type sighting struct {
	renewed time.Time // as it stands there
	at      time.Time // when it was first seen, by our clock
	moved   bool      // it has changed under our eyes
}

// held is asTold's answer for a Lease that is seen for the first time, and what was
// seen of it for any other.
func (s sightings) held(now time.Time) func(*coordinationv1.Lease) bool {
	return func(l *coordinationv1.Lease) bool {
		if !signed(l) {
			delete(s, l.Namespace)
			return false
		}
		before, known := s[l.Namespace]
		if renewed := l.Spec.RenewTime.Time; !known || !renewed.Equal(before.renewed) {
			before = sighting{renewed: renewed, at: now, moved: known}
			s[l.Namespace] = before
		}
		return (before.moved || asTold(before.at)(l)) && now.Before(before.at.Add(lasts(l)))
	}
}
