package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// askRightsEvery is how soon a right that was missing at the start is noticed to
// have come.
const askRightsEvery = time.Minute

// A charter is what the daemon's account may do: asked for before anything else is
// read, so that a missing right is a sentence and not a cache that never fills.
//
//	the manifests' roles ──► SelfSubjectRulesReview, one for each namespace
//	                              │ what it does not show
//	                              ▼
//	                         SelfSubjectAccessReview: other authorizers may allow it
//	                              │ no
//	                              ▼
//	    vital: the daemon ends      else: a warning, a metric, and the kind reads as empty
type charter struct {
	ask    authorization.AuthorizationV1Interface
	needs  []right
	log    *slog.Logger
	absent *prometheus.GaugeVec

	mu   sync.Mutex // guards the fields below
	lack map[right]bool
}

// openCharter asks once. An error says which vital rights are missing; a cluster
// that does not answer the question is taken to allow everything.
func openCharter(ctx context.Context, c *cluster, f runFlags, log *slog.Logger) (*charter, error) {
	all, err := rightsOfManifests(f.namespace)
	if err != nil {
		return nil, err
	}
	ask, err := authorization.NewForConfig(c.config)
	if err != nil {
		return nil, blind(fmt.Errorf("open API server %s: %w", c.server, err))
	}
	h := newCharter(ask, f.used(all), log)
	if err := ctrlmetrics.Registry.Register(h.absent); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	h.look(ctx)
	return h, h.refusal()
}

func newCharter(ask authorization.AuthorizationV1Interface, needs []right, log *slog.Logger) *charter {
	return &charter{ask: ask, needs: needs, log: log, lack: map[right]bool{}, absent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tidemill_missing_right", Help: "1 for each right of the shipped roles that the daemon's account has not.",
	}, []string{"right"})}
}

// refusal is the end of a daemon that could do nothing.
func (h *charter) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var vital []string
	for _, r := range h.needs {
		if h.lack[r] && r.vital() {
			vital = append(vital, r.String())
		}
	}
	if len(vital) == 0 {
		return nil
	}
	return blind(fmt.Errorf("the daemon's account may not %s: nothing works without", strings.Join(vital, ", ")),
		"apply the roles of this version: kubectl apply -k manifests, or helm upgrade; by hand they are in manifests/base/rbac.yaml")
}

// Start implements manager.Runnable: it asks again, so that what was granted
// meanwhile is used without a restart.
func (h *charter) Start(ctx context.Context) error {
	tick := time.NewTicker(askRightsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.look(ctx)
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: standbys have the
// same rights and should tell of them before they lead.
func (h *charter) NeedLeaderElection() bool { return false }

// look asks, and tells what has changed.
func (h *charter) look(ctx context.Context) {
	missing, err := h.missing(ctx)
	if err != nil {
		h.log.Warn("rights could not be asked for, the daemon goes on as if it had all", "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.needs {
		switch was := h.lack[r]; {
		case missing[r] && !was:
			h.absent.WithLabelValues(r.String()).Set(1)
			h.log.Warn("the daemon's account lacks a right", "right", r.String(), "without", without[r.resource],
				"hint", "the role "+r.role+" of manifests/base/rbac.yaml grants it: kubectl apply -k manifests, or helm upgrade")
		case !missing[r] && was:
			h.absent.DeleteLabelValues(r.String())
			h.log.Info("a right that was missing has come", "right", r.String())
		}
	}
	h.lack = missing
}

// missing are the rights that the account has not.
func (h *charter) missing(ctx context.Context) (map[right]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*answerWithin)
	defer cancel()
	rules, missing := map[string][]rbacv1.PolicyRule{}, map[right]bool{}
	for _, r := range h.needs {
		where := r.namespace
		if where == "" {
			where = metav1.NamespaceDefault // rules for all namespaces are rules for each
		}
		if _, asked := rules[where]; !asked {
			var err error
			if rules[where], err = h.rulesIn(ctx, where); err != nil {
				return nil, err
			}
		}
		if covers(rules[where], r) {
			continue
		}
		may, err := h.may(ctx, r)
		if err != nil {
			return nil, err
		}
		if !may {
			missing[r] = true
		}
	}
	return missing, nil
}

// rulesIn are the account's rules in a namespace, as far as the authorizers can
// list them.
func (h *charter) rulesIn(ctx context.Context, namespace string) ([]rbacv1.PolicyRule, error) {
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	review, err := h.ask.SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask for the rules in namespace %s: %w", namespace, err)
	}
	rules := []rbacv1.PolicyRule{}
	for _, r := range review.Status.ResourceRules {
		rules = append(rules, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	return rules, nil
}

// may asks for one right.
func (h *charter) may(ctx context.Context, r right) (bool, error) {
	resource, sub, _ := strings.Cut(r.resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Name: r.name},
	}}
	review, err := h.ask.SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether the account may %s: %w", r, err)
	}
	return review.Status.Allowed, nil
}

// unreadable is whether a kind cannot be watched for want of a right.
func (h *charter) unreadable(group, resource string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.lack {
		if r.group == group && r.resource == resource && r.namespace == "" && (r.verb == "list" || r.verb == "watch") {
			return true
		}
	}
	return false
}
