package okesim

import (
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
)

// Each fault of a launch is told three times: on the entry, in the work request, in the pool's state. What has no instance has no OCID.
func TestEveryLaunchFaultIsTold(t *testing.T) {
	for _, fault := range LaunchFaults() {
		t.Run(fault.String(), func(t *testing.T) {
			c := newCloud(t, Options{Latency: Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: -1, Register: -1}})
			id := c.pool("workers", 1)
			c.BreakLaunches(id, 1, fault)
			w := c.finished(c.mustResize(id, 3))
			if w.Status != containerengine.WorkRequestStatusFailed {
				t.Errorf("work request %s", w.Status)
			}
			p := c.get(id)
			if p.LifecycleState != containerengine.NodePoolLifecycleStateNeedsAttention || len(p.Nodes) != 3 {
				t.Fatalf("pool %s with %d nodes", p.LifecycleState, len(p.Nodes))
			}
			var bad []containerengine.Node
			for _, n := range p.Nodes {
				if n.NodeError != nil {
					bad = append(bad, n)
				}
			}
			if len(bad) != 1 || (*bad[0].Id != "") != fault.late() {
				t.Fatalf("failed entries %+v", bad)
			}
			compartment := c.Compartment()
			r, err := c.oke.ListWorkRequestErrors(t.Context(), containerengine.ListWorkRequestErrorsRequest{CompartmentId: &compartment, WorkRequestId: w.Id})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Items) != 1 || *r.Items[0].Code != *bad[0].NodeError.Code || *r.Items[0].Message != *bad[0].NodeError.Message {
				t.Errorf("work request errors %+v, node error %+v", r.Items, bad[0].NodeError)
			}
			c.mustResize(id, 2) // takes the failed entry back, with its instance if it has one
			if p := c.rest(id); p.State != poolActive || len(live(p)) != 2 {
				t.Errorf("after taking back: %s %v", p.State, live(p))
			}
		})
	}
}

func TestBrokenLaunchesCanBeMended(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 0)
	c.BreakLaunches("", -1, SubnetFull)
	c.finished(c.mustResize(id, 2))
	if p := c.rest(id); len(live(p)) != 0 {
		t.Fatalf("nodes %v in a full subnet", live(p))
	}
	c.mustResize(id, 0)
	c.BreakLaunches("", 0, SubnetFull)
	c.rest(id)
	c.finished(c.mustResize(id, 2))
	if p := c.rest(id); len(live(p)) != 2 {
		t.Errorf("nodes %v after mending", live(p))
	}
}

// A launch moves on to a fault domain that has hosts, and no further than its placement allows.
func TestCapacityPerFaultDomain(t *testing.T) {
	c := newCloud(t, Options{})
	ad := c.AvailabilityDomains()[0]
	c.SetCapacityIn(e4, ad, "FAULT-DOMAIN-1", 0)
	c.SetCapacityIn(e4, ad, "FAULT-DOMAIN-2", 1)
	c.SetCapacityIn(e4, ad, "FAULT-DOMAIN-3", 1)
	spec := c.spec("workers", 3)
	spec.Placements = []Placement{{AD: ad, SubnetID: "s"}}
	id, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := c.rest(id)
	domains := map[string]int{}
	for _, n := range p.Nodes {
		if n.Error == nil {
			domains[n.FaultDomain]++
		} else if !strings.Contains(n.Error.Message, "Out of host capacity") {
			t.Errorf("error %+v", n.Error)
		}
	}
	if domains["FAULT-DOMAIN-2"] != 1 || domains["FAULT-DOMAIN-3"] != 1 || len(domains) != 2 {
		t.Errorf("nodes by fault domain: %v", domains)
	}
	report := func(fd *string) core.CapacityReportShapeAvailability {
		tenancy := c.Tenancy()
		r, err := c.compute.CreateComputeCapacityReport(t.Context(), core.CreateComputeCapacityReportRequest{
			CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{CompartmentId: &tenancy, AvailabilityDomain: &ad,
				ShapeAvailabilities: []core.CreateCapacityReportShapeAvailabilityDetails{{InstanceShape: common.String(e4), FaultDomain: fd}}}})
		if err != nil {
			t.Fatal(err)
		}
		return r.ShapeAvailabilities[0]
	}
	if r := report(nil); r.AvailabilityStatus != core.CapacityReportShapeAvailabilityAvailabilityStatusOutOfHostCapacity || *r.AvailableCount != 0 {
		t.Errorf("report of the AD: %+v", r)
	}
	c.SetCapacityIn(e4, ad, "FAULT-DOMAIN-1", 2)
	if r := report(common.String("FAULT-DOMAIN-1")); *r.AvailableCount != 2 {
		t.Errorf("report of the fault domain: %+v", r)
	}
	if r := report(nil); *r.AvailableCount != 2 {
		t.Errorf("report of the AD after more hosts: %+v", r)
	}
}

func TestLimitsAndQuotas(t *testing.T) {
	c := newCloud(t, Options{})
	ad := c.AvailabilityDomains()[0]
	grow := func(name string) string {
		spec := c.spec(name, 2)
		spec.Placements = spec.Placements[:1]
		id, err := c.AddPool(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range c.rest(id).Nodes {
			if n.Error != nil {
				return n.Error.Code
			}
		}
		return ""
	}
	c.SetLimitIn(e4, ad, 1)
	if code := grow("limit"); code != "LimitExceeded" {
		t.Errorf("over the AD's limit: %q", code)
	}
	c.SetLimitIn(e4, ad, -1)
	c.SetQuota(e4, 1)
	if code := grow("quota"); code != "QuotaExceeded" {
		t.Errorf("over the quota: %q", code)
	}
	c.SetQuota(e4, -1)
	c.SetCoreLimit("standard-e4-core-count", ad, 5) // 2 OCPUs are in use, a node takes 2
	if code := grow("cores"); code != "LimitExceeded" {
		t.Errorf("over the core limit: %q", code)
	}

	client, err := limits.NewLimitsClientWithConfigurationProvider(c.credentials())
	if err != nil {
		t.Fatal(err)
	}
	client.Host, client.HTTPClient = c.server.URL, c.server.Client()
	tenancy := c.Tenancy()
	r, err := client.GetResourceAvailability(t.Context(), limits.GetResourceAvailabilityRequest{ServiceName: common.String("compute"),
		LimitName: common.String("standard-e4-core-count"), CompartmentId: &tenancy, AvailabilityDomain: &ad})
	if err != nil {
		t.Fatal(err)
	}
	if *r.Used != 4 || *r.Available != 1 {
		t.Errorf("availability %+v", r.ResourceAvailability)
	}
	values, err := client.ListLimitValues(t.Context(), limits.ListLimitValuesRequest{ServiceName: common.String("compute"), CompartmentId: &tenancy,
		Name: common.String("standard-e4-core-count"), AvailabilityDomain: &ad})
	if err != nil {
		t.Fatal(err)
	}
	if len(values.Items) != 1 || *values.Items[0].Value != 5 {
		t.Errorf("limit values %+v", values.Items)
	}
}
