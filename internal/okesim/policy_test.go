package okesim

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// Every operation says what it needs; those that need nothing are the two catalogues that anybody may read.
func TestEveryOperationHasPermissions(t *testing.T) {
	served := map[string]bool{}
	for _, op := range Operations() {
		served[op.Name] = true
		if _, ok := needs[op.Name]; !ok {
			t.Errorf("%s has no entry in the list of permissions", op.Name)
		}
		if free := op.Name == "GetClusterOptions" || op.Name == "GetNodePoolOptions"; free != (len(op.Permissions) == 0) {
			t.Errorf("%s needs %v", op.Name, op.Permissions)
		}
		everything, err := ParsePolicy("Allow any-user to manage all-resources in tenancy")
		if err != nil {
			t.Fatal(err)
		}
		if !everything.AllowsAll(Principal{}, append(op.Permissions, op.Related...), op.Root) {
			t.Errorf("no verb and resource type gives all of %v %v", op.Permissions, op.Related)
		}
	}
	for name := range needs {
		if !served[name] {
			t.Errorf("the list of permissions has %s, which is not served", name)
		}
	}
}

const asWorkload = " where ALL {request.principal.type='workload', request.principal.namespace='kube-system', request.principal.service_account='tidemill', request.principal.cluster_id='c'}"

func TestPolicyLanguage(t *testing.T) {
	workload := Principal{Type: "workload", Namespace: "kube-system", ServiceAccount: "tidemill", ClusterID: "c"}
	other := workload
	other.ServiceAccount = "default"
	instance := Principal{Type: "instance", ID: "i"}
	for _, row := range []struct {
		statement  string
		who        Principal
		permission string
		root, want bool
	}{
		{"Allow any-user to manage cluster-node-pools in compartment id ocid1.compartment.x" + asWorkload, workload, "CLUSTER_NODE_POOL_UPDATE", false, true},
		{"Allow any-user to manage cluster-node-pools in compartment c" + asWorkload, other, "CLUSTER_NODE_POOL_UPDATE", false, false},
		{"Allow any-user to read cluster-node-pools in compartment c", workload, "CLUSTER_NODE_POOL_UPDATE", false, false},
		{"Allow any-user to read cluster-node-pools in compartment c", workload, "CLUSTER_NODE_POOL_INSPECT", false, true},
		{"allow dynamic-group nodes to manage cluster-family in compartment c", instance, "CLUSTER_UPDATE", false, true},
		{"Allow dynamic-group nodes to manage cluster-family in compartment c", workload, "CLUSTER_UPDATE", false, false},
		{"Allow group admins to use subnets in tenancy", Principal{Type: "user"}, "SUBNET_ATTACH", false, true},
		{"Allow any-user to manage compute-capacity-reports in compartment c", instance, "COMPUTE_CAPACITY_REPORT_CREATE", true, false},
		{"Allow any-user to manage compute-capacity-reports in tenancy", instance, "COMPUTE_CAPACITY_REPORT_CREATE", true, true},
		{"Allow any-user to {INSTANCE_READ, INSTANCE_DELETE} in tenancy", instance, "INSTANCE_DELETE", false, true},
		{"Allow any-user to manage instances in tenancy where request.permission != 'INSTANCE_DELETE'", instance, "INSTANCE_DELETE", false, false},
		{"Allow any-user to manage instances in tenancy where any {request.permission = 'INSTANCE_READ', request.permission = 'INSTANCE_INSPECT'}", instance, "INSTANCE_READ", false, true},
	} {
		p, err := ParsePolicy(row.statement)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.AllowsAll(row.who, []string{row.permission}, row.root); got != row.want {
			t.Errorf("%s\n%+v asks %s: %v, want %v", row.statement, row.who, row.permission, got, row.want)
		}
	}
	for _, text := range []string{"", "Allow x to y", "Allow any-user to own instances in tenancy", "Allow any-user to use spaceships in tenancy",
		"Allow any-user to use instances in tenancy where something"} {
		if _, err := ParsePolicy(text); err == nil {
			t.Errorf("%q was parsed", text)
		}
	}
}

// Without a permission OCI says that there is nothing; without one for what it would do on the caller's behalf it says so by another code.
func TestPolicyIsEnforced(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	id := c.pool("workers", 1)
	enforce := func(statements ...string) {
		t.Helper()
		p, err := ParsePolicy(statements...)
		if err != nil {
			t.Fatal(err)
		}
		c.SetPolicy(p)
	}
	read := func() error {
		_, err := c.oke.GetNodePool(t.Context(), containerengine.GetNodePoolRequest{NodePoolId: &id})
		return err
	}
	enforce()
	wantRefusal(t, read(), 404, "NotAuthorizedOrNotFound")
	enforce("Allow group admins to manage cluster-node-pools in tenancy")
	if err := read(); err != nil {
		t.Error(err)
	}
	_, err := c.resize(id, 2, nil)
	wantRefusal(t, err, 400, "RelatedResourceNotAuthorizedOrNotFound")
	enforce("Allow group admins to manage cluster-node-pools in tenancy", "Allow group admins to manage instance-family in tenancy",
		"Allow group admins to use subnets in tenancy", "Allow group admins to use vnics in tenancy", "Allow group admins to inspect compartments in tenancy")
	if _, err := c.resize(id, 2, nil); err != nil {
		t.Error(err)
	}
	c.SetPolicy(nil)
	c.Refuse("GetNodePool", 403)
	wantRefusal(t, read(), 403, "NotAllowed")
	c.Refuse("GetNodePool", 0)
	if err := read(); err != nil {
		t.Error(err)
	}
}
