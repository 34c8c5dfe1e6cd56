package oke

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// statements reads a file of policy statements for a user, which is what the
// tests' driver is.
func statements(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile("../../manifests/iam/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, strings.ReplaceAll(line, "dynamic-group", "group"))
		}
	}
	return out
}

func policyOf(t *testing.T, statements []string) *okesim.Policy {
	t.Helper()
	p, err := okesim.ParsePolicy(statements...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drive does everything that the driver can do, and gives the operations called.
func drive(t *testing.T, optional bool) map[string]int {
	t.Helper()
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 3})
	ids := w.running(id)
	must := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx := t.Context()
	called := w.requests(func() {
		// A growth that fails is read out of its work request.
		w.sim.SetCapacity(testShape, w.sim.AvailabilityDomains()[0], 0)
		must("resize", w.Resize(ctx, id, 3, 4))
		w.settle(id)
		_, err := w.Pools(ctx)
		must("pools", err)
		_, err = w.Instances(ctx, id)
		must("instances", err)
		_, err = w.Maintenance(ctx, id)
		must("maintenance", err)
		must("take back", w.Resize(ctx, id, 4, 3))
		w.sim.SetCapacity(testShape, w.sim.AvailabilityDomains()[0], -1)
		releases, err := w.Releases(ctx, id)
		must("releases", err)
		must("set release", w.SetRelease(ctx, id, releases[0]))
		must("replace", w.Replace(ctx, id, ids[0]))
		w.settle(id)
		must("delete", w.Delete(ctx, id, ids[1]))
		w.settle(id)
		if !optional {
			return
		}
		_, err = w.Console(ctx, id, ids[2])
		must("console", err)
		must("reboot", w.Reboot(ctx, id, ids[2]))
		w.settle(id)
		must("boot volume", w.ReplaceBootVolume(ctx, id, ids[2]))
		w.settle(id)
		must("cycle", w.Cycle(ctx, id, cloudprovider.Cycling{MaxSurge: 1}))
		_, err = w.Capacity(ctx, id)
		must("capacity", err)
		_, err = w.Limits(ctx, id)
		must("limits", err)
		_, err = w.Subnets(ctx, id)
		must("subnets", err)
	})
	// Work requests are read where the pool's own entries do not say enough, which
	// they do here; TestMissingEntriesSayWhy has a pool whose entries do not.
	called["ListWorkRequests"]++
	called["ListWorkRequestErrors"]++
	called["ListWorkRequestLogs"]++
	return called
}

// needs are the permissions of these operations.
func needs(t *testing.T, called map[string]int) (own, root []string) {
	t.Helper()
	known := 0
	for _, op := range okesim.Operations() {
		if called[op.Name] == 0 {
			continue
		}
		known++
		if op.Root {
			root = append(root, op.Permissions...)
		} else {
			own = append(append(own, op.Permissions...), op.Related...)
		}
	}
	if known != len(called) {
		t.Errorf("of %d operations %d have known permissions", len(called), known)
	}
	return own, root
}

// TestIAM compares the statements that are shipped with what the driver's calls
// need: all of it, by no statement in vain.
func TestIAM(t *testing.T) {
	required, optional := statements(t, "policy.txt"), statements(t, "optional.txt")
	who := okesim.Principal{Type: "user"}
	own, root := needs(t, drive(t, false))
	// Virtual pools are looked for, and done without.
	own = slices.DeleteFunc(own, func(p string) bool { return strings.HasPrefix(p, "CLUSTER_VIRTUAL_NODE_POOL_") })
	for _, p := range own {
		if !policyOf(t, required).AllowsAll(who, []string{p}, false) {
			t.Errorf("policy.txt does not give %s", p)
		}
	}
	if len(root) > 0 {
		t.Errorf("%v are needed in the root compartment", root)
	}
	for i, s := range required {
		if policyOf(t, slices.Delete(slices.Clone(required), i, i+1)).AllowsAll(who, own, false) {
			t.Errorf("nothing needs %q", s)
		}
	}
	own, root = needs(t, drive(t, true))
	all := append(slices.Clone(required), optional...)
	if !policyOf(t, all).AllowsAll(who, own, false) || !policyOf(t, all).AllowsAll(who, root, true) {
		t.Errorf("both files together do not give %v in the compartment and %v in the root", own, root)
	}
	for i, s := range optional {
		without := policyOf(t, append(slices.Clone(required), slices.Delete(slices.Clone(optional), i, i+1)...))
		if without.AllowsAll(who, own, false) && without.AllowsAll(who, root, true) {
			t.Errorf("nothing needs the optional %q", s)
		}
	}
}

// With the required statements alone the driver works, and what is optional is
// missing with a word about the right, never in silence.
func TestRequiredPolicyIsEnough(t *testing.T) {
	w := newWorld(t, okesim.Options{VerifySignatures: true})
	w.sim.AddKey(keyOf(t)) // who asks is known by the signature
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	w.sim.SetPolicy(policyOf(t, statements(t, "policy.txt")))
	ctx := t.Context()
	if pools, err := w.Pools(ctx); err != nil || len(pools) != 1 || pools[0].Health.Err != nil {
		t.Fatalf("pools: %v, %v", pools, err)
	}
	if err := w.Resize(ctx, id, 2, 3); err != nil {
		t.Error(err)
	}
	w.settle(id)
	if err := w.Delete(ctx, id, ids[0]); err != nil {
		t.Error(err)
	}
	w.settle(id)
	if err := w.Reboot(ctx, id, ids[1]); err == nil || !strings.Contains(err.Error(), "manage clusters") {
		t.Errorf("reboot without the right: %v, want the statement that is missing", err)
	}
}
