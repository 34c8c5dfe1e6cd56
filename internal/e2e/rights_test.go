package e2e

import "testing"

// unproven are rights that no story exercises, and why the daemon has them.
var unproven = map[Right]string{
	{"create", "authentication.k8s.io", "tokenreviews"}:        "--metrics-secure: TestMetricsAreGuarded",
	{"create", "authorization.k8s.io", "subjectaccessreviews"}: "--metrics-secure: TestMetricsAreGuarded",
	{"patch", "", "events"}:                                    "a series of like events of the leader election",
	{"patch", "events.k8s.io", "events"}:                       "a series of like events",
	{"cycle", "tidemill.dev", "pools"}:                         "asked for by the admission policy, not by the daemon: TestAdmission",
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
		case used[r] > 0 && excused && r.Verb != "patch":
			// A series comes or does not come; the others never come here.
			t.Errorf("%q is used and excused (%s): take the excuse away", r, why)
		case used[r] > 0, r.Verb == "list" && used[Right{"watch", r.Group, r.Resource}] > 0:
			// Informers stream their first list where the server can, and list where
			// it cannot.
			n++
		case !excused:
			t.Errorf("the manifests grant %q, which the story never used", r)
		}
	}
	t.Logf("%d of %d granted rights used, %d excused, %d refused", n, len(granted), len(unproven), len(refused))
}
