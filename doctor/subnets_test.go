package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func subnets(list ...cloudprovider.Subnet) func(*clinic) {
	return func(c *clinic) {
		c.subnets = Subnets{worldtest.PoolID("workers"): {List: list}}
	}
}

func subnetsNot(err error) func(*clinic) {
	return func(c *clinic) { c.subnets = Subnets{worldtest.PoolID("workers"): {Err: err}} }
}

// together puts several things into a clinic.
func together(list ...func(*clinic)) func(*clinic) {
	return func(c *clinic) {
		for _, tell := range list {
			tell(c)
		}
	}
}

// cycled makes the pool one of ten nodes that is turned over so.
func cycled(spec v1alpha1.CycleSpec) func(*clinic) {
	return func(c *clinic) {
		spec.Mode = v1alpha1.CycleOnDemand
		c.Objects.Pools[0].Spec.Cycle, c.Cloud.Pools[0].Size = &spec, 10
	}
}

func machinesIn(size, free int) cloudprovider.Subnet {
	return cloudprovider.Subnet{Name: "nodes", Size: size, Free: free, PerNode: 1}
}

func podsIn(size, free int) cloudprovider.Subnet {
	return cloudprovider.Subnet{Name: "pods", Pods: true, Size: size, Free: free, PerNode: 32}
}

var three = intstr.FromString("30%")

var subnetStories = []story{
	{"nobody asked", subnetAddresses.ID, func(*clinic) {}, Skip, ReasonNotAsked},
	{"not its turn", subnetAddresses.ID, func(c *clinic) { c.subnets = Subnets{} }, Unknown, "NotYetAsked"},
	{"no subnet", subnetAddresses.ID, subnets(), Skip, ReasonNotApplicable},
	{"not permitted", subnetAddresses.ID, subnetsNot(fmt.Errorf("list: %w", cloudprovider.ErrUnauthorized)), Unknown, ReasonNotPermitted},
	{"hidden", subnetAddresses.ID, subnetsNot(cloudprovider.ErrNotFound), Unknown, ReasonNotPermitted},
	{"a cloud without subnets", subnetAddresses.ID, subnetsNot(cloudprovider.ErrNotSupported), Unknown, "NotSupported"},
	{"more than anybody reads", subnetAddresses.ID, subnetsNot(cloudprovider.ErrOutOfBounds), Unknown, ReasonUnreadable},
	{"no answer", subnetAddresses.ID, subnetsNot(errors.New("500")), Unknown, ReasonCloudUnreachable},
	{"cloud away", subnetAddresses.ID, together(subnets(machinesIn(253, 0)), func(c *clinic) { c.Cloud.Err = errors.New("timeout") }), Unknown, ReasonCloudUnreachable},
	{"virtual", subnetAddresses.ID, together(subnets(machinesIn(253, 0)), func(c *clinic) { c.Cloud.Pools[0].Virtual = true }), Skip, ReasonNotApplicable},
	{"room", subnetAddresses.ID, subnets(machinesIn(253, 200), podsIn(4093, 1000)), Pass, ""},
	{"room of unknown size", subnetAddresses.ID, subnets(machinesIn(0, 1)), Pass, ""},
	{"above a tenth", subnetAddresses.ID, subnets(machinesIn(253, 26)), Pass, ""},
	{"below a tenth", subnetAddresses.ID, subnets(machinesIn(253, 25)), Warn, "AddressesNearlyUsedUp"},
	{"pods below a tenth", subnetAddresses.ID, subnets(machinesIn(253, 200), podsIn(4093, 400)), Warn, "AddressesNearlyUsedUp"},
	{"one of two is full", subnetAddresses.ID, subnets(machinesIn(253, 0), machinesIn(253, 200)), Warn, "AddressesNearlyUsedUp"},
	{"none for machines", subnetAddresses.ID, subnets(machinesIn(253, 0), podsIn(4093, 4000)), Fail, "NoAddressLeft"},
	{"none for pods", subnetAddresses.ID, subnets(machinesIn(253, 20), podsIn(4093, 0)), Fail, "NoAddressLeft"},
	{"not for one node's pods", subnetAddresses.ID, subnets(machinesIn(253, 200), podsIn(61, 31)), Warn, "AddressesShort"},
	{"what is left of two adds up to no node", subnetAddresses.ID, subnets(podsIn(61, 20), podsIn(61, 20)), Warn, "AddressesShort"},
	{"for one more", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{}), subnets(podsIn(253, 63))), Pass, ""},
	{"not for a surge of three", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{MaxSurge: &three}), subnets(podsIn(253, 95))), Warn, "AddressesShort"},
	{"for a surge of three", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{MaxSurge: &three}), subnets(podsIn(253, 96))), Pass, ""},
	{"two of three are there", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{MaxSurge: &three}), subnets(podsIn(253, 32)), func(c *clinic) {
		c.Objects.Pools[0].Status.Cycle, c.Cloud.Pools[0].Size = &v1alpha1.CycleStatus{Desired: 10}, 12
	}), Pass, ""},
	{"in place", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{MaxSurge: &three, Strategy: v1alpha1.StrategyInPlace}), subnets(podsIn(253, 32))), Pass, ""},
	{"not for as many again", subnetAddresses.ID, together(cycled(v1alpha1.CycleSpec{Strategy: v1alpha1.StrategyBlueGreen}), subnets(machinesIn(61, 9))), Warn, "AddressesShort"},
}

// A subnet that is full says nothing of the nodes that are there: each of them stays
// trusted, a new one passes the gate, and repair of one that is broken goes on.
func TestFullSubnetCondemnsNobody(t *testing.T) {
	c := newClinic(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
	for i := range 10 {
		c.addNode(fmt.Sprintf("n%d", i))
	}
	c.young("n9", time.Minute)
	subnets(podsIn(61, 0))(c)
	cases, plan := c.decide(t)
	for _, x := range cases {
		if f := x.finding(t, subnetAddresses.ID); f.State != Fail || x.Verdict.Status != corev1.ConditionFalse || len(x.failures()) > 0 {
			t.Errorf("%s: %+v, verdict %+v", x.Patient.Name(), f, x.Verdict)
		}
	}
	if len(plan.Repairs) > 0 || len(plan.Brakes) != 1 || plan.Brakes[0].Closed {
		t.Errorf("repairs %+v, brakes %+v", plan.Repairs, plan.Brakes)
	}
	if code := reportOf(cases[0].Patient.Look.Snapshot, cases, plan).ExitCode(Fail); code != ExitFindings {
		t.Errorf("exit code %d", code)
	}
}

// addressed is a cloud with subnets, which counts who asks.
type addressed struct {
	cloudprovider.Provider
	asked *[]cloudprovider.PoolID
	fails map[cloudprovider.PoolID]error
}

func (a addressed) Subnets(_ context.Context, id cloudprovider.PoolID) ([]cloudprovider.Subnet, error) {
	*a.asked = append(*a.asked, id)
	return []cloudprovider.Subnet{machinesIn(253, 200)}, a.fails[id]
}

// A pool is asked about once, however many nodes it has, and one that does not answer
// takes nothing from the others. The daemon asks about one pool at a look, and keeps
// what it was told, good or bad.
func TestReadSubnets(t *testing.T) {
	cloud := fake.New(fake.Options{})
	a, b := cloud.AddPool(fake.Pool{Name: "a", Size: 3}), cloud.AddPool(fake.Pool{Name: "b", Size: 3})
	virtual := cloud.AddPool(fake.Pool{Name: "v", Size: 1, Virtual: true})
	s := &world.Snapshot{Now: time.Unix(1e9, 0)}
	for _, id := range []cloudprovider.PoolID{b, a, virtual} {
		s.Pools = append(s.Pools, &world.Pool{Name: string(id), Cloud: cloudprovider.NodePool{ID: id, Virtual: id == virtual}})
	}
	var asked []cloudprovider.PoolID
	with := addressed{cloud, &asked, map[cloudprovider.PoolID]error{b: cloudprovider.ErrThrottled}}
	fleet := cloudprovider.NewFleet(with, cloudprovider.FleetOptions{DryRun: true})
	expect := func(when string, want ...cloudprovider.PoolID) {
		t.Helper()
		if !slices.Equal(asked, want) {
			t.Errorf("%s: asked about %v, want %v", when, asked, want)
		}
		asked = nil
	}
	got := ReadSubnets(t.Context(), fleet, s)
	expect("a command", b, a)
	if len(got) != 2 || !errors.Is(got[b].Err, cloudprovider.ErrThrottled) || got[a].Err != nil || len(got[a].List) != 1 {
		t.Errorf("%+v", got)
	}
	var kept Subnets
	look := func(after time.Duration) {
		s.Now = s.Now.Add(after)
		kept = kept.renewed(t.Context(), fleet, s, 1, SubnetsOld)
	}
	look(0)
	expect("the first look", b)
	look(time.Minute)
	expect("the second", a)
	look(10 * time.Minute)
	expect("nobody, for ten minutes")
	look(4 * time.Minute)
	expect("the first pool again", b)
	s.CloudErr = errors.New("away")
	look(time.Hour)
	expect("a cloud that is away")
	if len(kept) != 2 || len(kept[a].List) != 1 {
		t.Errorf("kept %+v", kept)
	}
	s.CloudErr, s.Pools = nil, s.Pools[:1]
	if look(0); len(kept) != 1 {
		t.Errorf("a pool that is gone is kept: %+v", kept)
	}
}

// The loop asks only when told to, and then not at each look.
func TestLoopReadsSubnets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 4)
		var asked []cloudprovider.PoolID
		p.Observer.Fleet = cloudprovider.NewFleet(addressed{still{p.clinic}, &asked, nil}, cloudprovider.FleetOptions{})
		state := func() State {
			r, err := p.Once(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return Case{Findings: r.Nodes[0].Findings}.finding(t, subnetAddresses.ID).State
		}
		if got := state(); got != Skip || len(asked) > 0 {
			t.Errorf("%s, asked %v without being told to", got, asked)
		}
		p.Subnets = SubnetsOld
		for range 20 {
			if got := state(); got != Pass {
				t.Errorf("%s", got)
			}
			time.Sleep(30 * time.Second)
		}
		if len(asked) != 1 {
			t.Errorf("asked %d times in ten minutes", len(asked))
		}
	})
}
