package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// neighbours keeps two installations from working on one cluster. Replicas of one
// installation share a Lease; a chart that is installed beside the manifests, or a
// second time in another namespace, has a Lease of its own, and both would answer
// the same pods and turn the same pools over. Preconditions keep either from
// undoing what the other did a moment ago, and nothing else would.
//
//	acquire the own Lease ─► look at all Leases named tidemill ─► alone: the fence opens
//	                                  ▲        │ somebody was first: end, and say who
//	                                  └────────┘ again and again
//
// Each looks after it has signed, so that at least one of two sees the other; who
// signed later gives way. Until the first look nothing is written.
type neighbours struct {
	client client.Reader
	own    string // namespace
	every  time.Duration
	log    *slog.Logger

	mu     sync.Mutex
	looked bool
}

var errNotAlone = errors.New("whether another installation of tidemill runs in this cluster has not been seen yet")

// Check is what the fence asks before a write.
func (n *neighbours) Check() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.looked {
		return errNotAlone
	}
	return nil
}

// Start implements manager.Runnable: it runs from the moment that this process
// leads, and an error ends the process.
func (n *neighbours) Start(ctx context.Context) error {
	seen := sightings{}
	for {
		wait := n.every
		list, err := tenants(ctx, n.client, seen.held(time.Now()))
		switch {
		case ctx.Err() != nil:
			return nil
		case apierrors.IsForbidden(err):
			// An older role: the missing right has been told, and what it is good for.
			n.open()
			return nil
		case err != nil:
			n.log.Warn("other installations are not looked for", "error", err)
			wait = time.Second
		default:
			if first, ok := before(list, n.own); ok {
				return refusal(first, n.own)
			}
			n.open()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (n *neighbours) NeedLeaderElection() bool { return true }

func (n *neighbours) open() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looked = true
}

// before is who signed a Lease of another namespace before the own one was signed.
func before(list []tenant, own string) (tenant, bool) {
	var mine *tenant
	for i := range list {
		if list[i].namespace == own {
			mine = &list[i]
		}
	}
	for _, t := range list {
		if t.namespace != own && (mine == nil || cmp.Or(t.since.Compare(mine.since), cmp.Compare(t.namespace, mine.namespace)) < 0) {
			return t, true
		}
	}
	return tenant{}, false
}

func refusal(t tenant, own string) error {
	which := ""
	if v := t.version(); v != "" {
		which = ", version " + v
	}
	return &failure{exitNo, fmt.Errorf("another installation of tidemill works on this cluster: %s holds the Lease %s/%s%s; the one in %s does nothing beside it", t.identity, t.namespace, leaseName, which, own),
		[]string{
			"keep one: kubectl -n " + own + " scale deployment tidemill --replicas 0, or the same in " + t.namespace,
			"an upgrade is made in the namespace of the old one: its replicas hand over to each other",
		}}
}

// meet tells at the start who else is there: another installation ends this one,
// another version in the own namespace is waited for.
func meet(ctx context.Context, c client.Reader, own, version string, log *slog.Logger) error {
	list, err := tenants(ctx, c, asTold(time.Now()))
	if apierrors.IsForbidden(err) {
		return nil // the missing right is told with the others
	}
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.namespace == own {
			switch v := t.version(); {
			case v == version:
			case v == "":
				log.Info("a version before this one leads; this one waits for its Lease", "holder", t.identity, "own", version)
			default:
				log.Info("another version leads; this one waits for its Lease", "version", v, "holder", t.identity, "own", version)
			}
			return nil // whoever leads looks at the neighbours
		}
	}
	if t, ok := before(list, own); ok {
		return refusal(t, own)
	}
	return nil
}
