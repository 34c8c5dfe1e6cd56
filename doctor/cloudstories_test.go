package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// allStories are the stories of all checks over the API.
func allStories() []story {
	return slices.Concat(stories, moreStories, cloudStories, subnetStories, kubeletStories)
}

// plan announces something for n1.
func plan(list ...cloudprovider.Maintenance) func(*clinic) {
	return func(c *clinic) {
		c.plans = Plans{Asked: true, Of: map[cloudprovider.InstanceID][]cloudprovider.Maintenance{worldtest.InstanceID("n1"): list}}
	}
}

// in is a maintenance that begins so many hours from the clinic's now on.
func reboot(hours int) cloudprovider.Maintenance {
	return cloudprovider.Maintenance{Effect: cloudprovider.EffectReboot, Start: worldtest.New().Now.Add(time.Duration(hours) * time.Hour), Reason: "HARDWARE_REPLACEMENT"}
}

func with(m cloudprovider.Maintenance, change func(*cloudprovider.Maintenance)) cloudprovider.Maintenance {
	change(&m)
	return m
}

func says(text string) func(*clinic) {
	return func(c *clinic) { c.consoles = map[string]Console{"n1": {Text: []byte(text)}} }
}

func saysNot(err error) func(*clinic) {
	return func(c *clinic) { c.consoles = map[string]Console{"n1": {Err: err}} }
}

func preemptible(change func(*clinic, *cloudprovider.Instance)) func(*clinic) {
	return func(c *clinic) {
		c.Cloud.Pools[0].Preemptible = true
		change(c, c.instance("n1"))
	}
}

const booted = "[    0.000000] Linux version 5.15.0-313.189.5.3.el8uek\n[   61.0] kubelet: Started\n\noke-c1 login: "

func podNetworkIs(n PodNetwork) func(*clinic) {
	return func(c *clinic) {
		c.podNetworks = &PodNetworks{Of: map[string]PodNetwork{c.node("n1").Spec.ProviderID: n}}
	}
}

// cloudStories are of what the cloud alone knows.
var cloudStories = []story{
	{"not attached", podNetwork.ID, podNetworkIs(PodNetwork{State: "BACKOFF", Reason: "no VNIC to spare"}), Fail, "PodNetworkBackoff"},
	{"being attached", podNetwork.ID, podNetworkIs(PodNetwork{State: "IN_PROGRESS"}), Warn, "PodNetworkNotDone"},
	{"no address", podNetwork.ID, podNetworkIs(PodNetwork{State: "SUCCESS", VNICs: 1}), Fail, "NoPodAddresses"},
	{"room", podNetwork.ID, podNetworkIs(PodNetwork{State: "SUCCESS", VNICs: 1, Addresses: 31}), Pass, ""},
	{"nobody asked", "maintenance", func(*clinic) {}, Skip, ReasonNotAsked},
	{"nothing planned", "maintenance", plan(), Pass, ""},
	{"in ten days", "maintenance", plan(reboot(240)), Info, "MaintenancePlanned"},
	{"in six days", "maintenance", plan(reboot(144)), Warn, "MaintenanceDue"},
	{"overdue", "maintenance", plan(reboot(-1)), Warn, "MaintenanceDue"},
	{"at an unknown time", "maintenance", plan(cloudprovider.Maintenance{Effect: cloudprovider.EffectReboot}), Warn, "MaintenanceDue"},
	{"under way", "maintenance", plan(with(reboot(-1), func(m *cloudprovider.Maintenance) { m.Started = true })), Warn, "MaintenanceUnderWay"},
	{"not felt", "maintenance", plan(with(reboot(1), func(m *cloudprovider.Maintenance) { m.Effect = cloudprovider.EffectNone })), Info, "MaintenanceUnfelt"},
	{"a word of another time", "maintenance", plan(with(reboot(1), func(m *cloudprovider.Maintenance) { m.Effect = cloudprovider.EffectUnknown })), Warn, "MaintenanceDue"},
	{"the worse of two", "maintenance", plan(with(reboot(1), func(m *cloudprovider.Maintenance) { m.Effect = cloudprovider.EffectNone }), reboot(100)), Warn, "MaintenanceDue"},
	{"not permitted", "maintenance", func(c *clinic) {
		c.plans = Plans{Asked: true, Err: map[cloudprovider.PoolID]error{worldtest.PoolID("workers"): cloudprovider.ErrUnauthorized}}
	}, Unknown, ReasonNotPermitted},
	{"no answer", "maintenance", func(c *clinic) {
		c.plans = Plans{Asked: true, Err: map[cloudprovider.PoolID]error{worldtest.PoolID("workers"): errors.New("500")}}
	}, Unknown, ReasonCloudUnreachable},
	{"a cloud without plans", "maintenance", func(c *clinic) {
		c.plans = Plans{Asked: true, Err: map[cloudprovider.PoolID]error{worldtest.PoolID("workers"): cloudprovider.ErrNotSupported}}
	}, Skip, ReasonNotApplicable},
	{"cloud away", "maintenance", func(c *clinic) { c.Cloud.Pools[0].Health.Err = errors.New("500") }, Unknown, ReasonCloudUnreachable},

	{"not preemptible", "preemption", func(*clinic) {}, Skip, ReasonNotApplicable},
	{"runs", "preemption", preemptible(func(*clinic, *cloudprovider.Instance) {}), Pass, ""},
	{"by its label alone", "preemption", func(c *clinic) { c.node("n1").Labels[labelPreemptible] = "true" }, Pass, ""},
	{"deleted by OKE", "preemption", preemptible(func(_ *clinic, i *cloudprovider.Instance) { i.State = cloudprovider.Deleting }), Pass, ""},
	{"taken back", "preemption", preemptible(func(_ *clinic, i *cloudprovider.Instance) {
		i.State, i.Fault = cloudprovider.Deleting, &cloudprovider.Fault{Code: "InstanceTERMINATING", Message: "Compute says that the instance is TERMINATING, OKE does not know"}
	}), Info, "Preempted"},
	{"taken back a while ago", "preemption", preemptible(func(_ *clinic, i *cloudprovider.Instance) {
		i.State, i.Fault = cloudprovider.Stopped, &cloudprovider.Fault{Code: "InstanceTERMINATED"}
	}), Info, "Preempted"},
	{"gone", "preemption", preemptible(func(c *clinic, _ *cloudprovider.Instance) { c.Cloud.Instances[worldtest.PoolID("workers")] = nil }), Info, "Preempted"},
	{"cloud away", "preemption", preemptible(func(c *clinic, _ *cloudprovider.Instance) { c.Cloud.Err = errors.New("timeout") }), Unknown, ReasonCloudUnreachable},

	{"not asked for", "console", func(*clinic) {}, Skip, ReasonNotAsked},
	{"no consoles", "console", saysNot(cloudprovider.ErrNotSupported), Skip, ReasonNotApplicable},
	{"not permitted", "console", saysNot(cloudprovider.ErrUnauthorized), Unknown, ReasonNotPermitted},
	{"no answer", "console", saysNot(errors.New("500")), Unknown, ReasonCloudUnreachable},
	{"empty", "console", says(" \n\x00"), Unknown, "NothingWritten"},
	{"empty but for blanks", "console", says("\n \r\n"), Unknown, "NothingWritten"},
	{"booted", "console", says(booted), Pass, ""},
	{"still boots", "console", says("[    0.000000] Linux version 5.15.0\n[    1.2] virtio_net: link up\n"), Info, "NoLoginPrompt"},
	{"panic", "console", says(booted + "[ 99.1] Kernel panic - not syncing: Fatal exception\n[ 99.2] ---[ end Kernel panic ]---\n"), Fail, "KernelPanic"},
	{"panic of the boot before", "console", says("[ 99.1] Kernel panic - not syncing: Fatal exception\n" + booted), Pass, ""},
	{"no root", "console", says("Linux version 5.15.0\ndracut-initqueue[411]: Warning: dracut-initqueue timeout - starting timeout scripts\n"), Fail, "RootNotFound"},
	{"emergency", "console", says("Linux version 5.15.0\nYou are in emergency mode. After logging in\nGive root password for maintenance\n"), Fail, "EmergencyMode"},
	{"first boot", "console", says("Linux version 5.15.0\n[  12.5] cloud-init[1402]: 2026-03-01 - util.py[WARNING]: Failed running /var/lib/cloud/instance/scripts/part-001 [1]\n" + "oke login: "), Warn, "FirstBootFailed"},
	{"kubelet", "console", says("Linux version 5.15.0\n[FAILED] Failed to start kubelet: The Kubernetes Node Agent.\nlogin: "), Fail, "KubeletNotStarted"},
	{"colours and a cursor", "console", says("Linux version 5.15.0\n\x1b[0;1;31mFAILED\x1b[0m\rKernel panic - \x1b[1mnot syncing\n"), Fail, "KernelPanic"},
}

// What a cloud has announced is asked for by pool, and one that does not answer
// takes nothing from the others.
func TestReadPlans(t *testing.T) {
	cloud := fake.New(fake.Options{})
	good, bad := cloud.AddPool(fake.Pool{Name: "good", Size: 1}), cloud.AddPool(fake.Pool{Name: "bad", Size: 1})
	list, err := cloud.Instances(t.Context(), good)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	cloud.Plan(cloudprovider.Maintenance{Instance: list[0].ID, Effect: cloudprovider.EffectStop})
	s := &world.Snapshot{}
	for _, id := range []cloudprovider.PoolID{bad, good} {
		s.Pools = append(s.Pools, &world.Pool{Name: string(id), Cloud: cloudprovider.NodePool{ID: id}})
	}
	cloud.FailNext("Maintenance", cloudprovider.ErrThrottled)
	p := ReadPlans(t.Context(), cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{DryRun: true}), s)
	if !p.Asked || len(p.Of[list[0].ID]) != 1 || !errors.Is(p.Err[bad], cloudprovider.ErrThrottled) || p.Err[good] != nil {
		t.Errorf("plans %+v", p)
	}
	s.CloudErr = errors.New("away")
	before := len(cloud.Calls())
	if p := ReadPlans(t.Context(), cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), s); len(p.Of) > 0 || len(cloud.Calls()) != before {
		t.Errorf("a cloud that is away was asked: %+v", p)
	}
}

// Consoles are those of the named, by node or by instance, and of nobody else.
func TestReadConsoles(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 3})
	list, err := cloud.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	pool := &world.Pool{Name: "workers", Cloud: cloudprovider.NodePool{ID: id}}
	for i := range list {
		pool.Nodes = append(pool.Nodes, &world.Node{Instance: &list[i]})
	}
	pool.Nodes[0].Object = &corev1.Node{}
	pool.Nodes[0].Object.Name = "n1"
	cloud.SetConsole(list[0].ID, "one")
	cloud.SetConsole(list[1].ID, "two")
	fleet := cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{DryRun: true})
	got := ReadConsoles(t.Context(), fleet, &world.Snapshot{Pools: []*world.Pool{pool}}, []string{"n1", string(list[1].ID), "nobody"})
	if len(got) != 2 || string(got["n1"].Text) != "one" || string(got[string(list[1].ID)].Text) != "two" {
		t.Errorf("consoles %v", got)
	}
	if n := len(cloud.Calls()); n != 3 { // the list of instances, and two consoles
		t.Errorf("%d calls: %+v", n, cloud.Calls())
	}
}

// A node that is preempted is on its way out: it gets no verdict, however its
// console reads.
func TestPreemptedNodeHasNoVerdict(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	preemptible(func(_ *clinic, i *cloudprovider.Instance) {
		i.State, i.Fault = cloudprovider.Deleting, &cloudprovider.Fault{Code: "InstanceTERMINATING"}
	})(c)
	says("Kernel panic - not syncing: x")(c)
	x := c.caseOf(t, "n1")
	if x.Verdict.Status != "" || x.finding(t, "preemption").Reason != "Preempted" || x.finding(t, "console").Reason != "KernelPanic" {
		t.Errorf("verdict %+v, findings %+v, %+v", x.Verdict, x.finding(t, "preemption"), x.finding(t, "console"))
	}
}

// A console may hold anything: there is always an answer, of bounded size.
func FuzzConsole(f *testing.F) {
	for _, s := range []string{"", booted, "\x00\xff\xfe", "Linux version \r\r\r", strings.Repeat("x", 1<<16), fmt.Sprintf("%sKernel panic - not syncing: %s", booted, strings.Repeat("\x1b[31m", 400))} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if found := judgeConsole(text); found.State == Skip || len(found.Message) > 1024 || found.State != Pass && found.Reason == "" {
			t.Errorf("%+v", found)
		}
	})
}
