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
func tenants(ctx context.Context, c client.Reader, now time.Time) ([]tenant, error) {
	var list coordinationv1.LeaseList
	if err := c.List(ctx, &list, client.MatchingFields{"metadata.name": leaseName}); err != nil {
		return nil, fmt.Errorf("list leases %s: %w", leaseName, err)
	}
	var out []tenant
	for i := range list.Items {
		if t, held := holder(&list.Items[i], now); held {
			out = append(out, t)
		}
	}
	return out, nil
}

// holder is who holds the Lease, if anybody still does.
func holder(l *coordinationv1.Lease, now time.Time) (tenant, bool) {
	s := l.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || s.RenewTime == nil || s.LeaseDurationSeconds == nil {
		return tenant{}, false
	}
	t := tenant{namespace: l.Namespace, identity: *s.HolderIdentity, since: l.CreationTimestamp.Time}
	if s.AcquireTime != nil {
		t.since = s.AcquireTime.Time
	}
	return t, now.Before(s.RenewTime.Add(time.Duration(*s.LeaseDurationSeconds) * time.Second))
}
