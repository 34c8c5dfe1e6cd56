package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// guarded proves the rights that only readers of the metrics make the daemon use.
const guarded = "--metrics-secure: TestMetricsAreGuarded"

// unproven are rights that no story exercises, and why the daemon has them.
var unproven = map[Right]string{
	{"create", "authentication.k8s.io", "tokenreviews"}:        guarded,
	{"create", "authorization.k8s.io", "subjectaccessreviews"}: guarded,
	{"patch", "", "events"}:                                    "a series of like events of the leader election",
	{"patch", "events.k8s.io", "events"}:                       "a series of like events",
	{"cycle", "tidemill.dev", "pools"}:                         "asked for by the admission policy, not by the daemon: TestAdmission",

	{"list", "autoscaling.x-k8s.io", "capacitybuffers"}:               "TestWishes",
	{"list", "autoscaling.x-k8s.io", "provisioningrequests"}:          "TestWishes",
	{"update", "autoscaling.x-k8s.io", "capacitybuffers/status"}:      "TestWishes",
	{"update", "autoscaling.x-k8s.io", "provisioningrequests/status"}: "TestWishes",
	{"get", "", "podtemplates"}:                                       "TestWishes",
	{"get", "apps", "deployments"}:                                    "TestWishes",
	{"get", "apps", "replicasets"}:                                    "TestWishes",
	{"get", "apps", "statefulsets"}:                                   "TestWishes",
	{"get", "batch", "jobs"}:                                          "TestWishes",
	{"list", "apps", "replicasets"}:                                   "TestWishes",
	{"list", "apps", "statefulsets"}:                                  "TestWishes",
	{"list", "batch", "jobs"}:                                         "TestWishes",
	{"watch", "apps", "replicasets"}:                                  "TestWishes",
	{"watch", "apps", "statefulsets"}:                                 "TestWishes",
	{"watch", "batch", "jobs"}:                                        "TestWishes",
}

// untilMay waits for the authorizer to say that an account may do something in the
// whole cluster, or that it may not: it learns of a role some time after the answer
// to whoever has written it.
func untilMay(ctx context.Context, t *testing.T, env *Env, user string, r Right, want bool) {
	t.Helper()
	resource, sub, _ := strings.Cut(r.Resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: sub}}}
	err := Until(ctx, fmt.Sprintf("%s to be allowed to %s: %t", user, r, want), 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		review := review.DeepCopy()
		err := env.Client.Create(ctx, review)
		return review.Status.Allowed == want, review.Status.Reason, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// excusedRightsAreUsed is a test's proof that the rights excused for its sake are
// used by the daemon in it.
func excusedRightsAreUsed(t *testing.T, env *Env, test string) {
	t.Helper()
	used, refused, err := env.RightsUsed()
	if err != nil {
		t.Fatal(err)
	}
	for r, n := range refused {
		t.Errorf("the manifests lack %q: refused %d times", r, n)
	}
	for r, why := range unproven {
		if why == test && !uses(used, r) {
			t.Errorf("%q is excused for the sake of this test, which does not use it", r)
		}
	}
}

// uses is whether a right was used. Informers stream their first list where the
// server can, and list where it cannot.
func uses(used map[Right]int, r Right) bool {
	return used[r] > 0 || r.Verb == "list" && used[Right{"watch", r.Group, r.Resource}] > 0
}

// rightsMatch compares what the account was given with what it used in a whole
// story: a right too few breaks a user's cluster, one too many is a present to
// whoever steals the token.
func rightsMatch(t *testing.T, env *Env) {
	t.Helper()
	used, refused, err := env.RightsUsed()
	if err != nil {
		t.Fatal(err)
	}
	for r, n := range refused {
		t.Errorf("the manifests lack %q: refused %d times", r, n)
	}
	granted, err := RightsGranted()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range granted {
		switch why, excused := unproven[r]; {
		case used[r] > 0 && excused && r.Verb != "patch" && why != "TestWishes" && why != guarded:
			// A series comes or does not come, and so does somebody who reads the
			// metrics; the others never come here.
			t.Errorf("%q is used and excused (%s): take the excuse away", r, why)
		case uses(used, r):
			n++
		case !excused:
			t.Errorf("the manifests grant %q, which the story never used", r)
		}
	}
	t.Logf("%d of %d granted rights used, %d excused, %d refused", n, len(granted), len(unproven), len(refused))
}
