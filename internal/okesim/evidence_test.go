package okesim

import (
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestConsoleHistory(t *testing.T) {
	c := newCloud(t, Options{})
	node := c.rest(c.pool("workers", 1)).Nodes[0].ID
	capture := func() string {
		r, err := c.compute.CaptureConsoleHistory(t.Context(), core.CaptureConsoleHistoryRequest{
			CaptureConsoleHistoryDetails: core.CaptureConsoleHistoryDetails{InstanceId: &node}})
		if err != nil || r.LifecycleState != core.ConsoleHistoryLifecycleStateRequested {
			t.Fatal(r.LifecycleState, err)
		}
		c.eventually("captured", func() bool {
			h, err := c.compute.GetConsoleHistory(t.Context(), core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: r.Id})
			return err == nil && h.LifecycleState == core.ConsoleHistoryLifecycleStateSucceeded
		})
		return *r.Id
	}
	read := func(id string, offset, length int) (string, int) {
		r, err := c.compute.GetConsoleHistoryContent(t.Context(), core.GetConsoleHistoryContentRequest{InstanceConsoleHistoryId: &id, Offset: &offset, Length: &length})
		if err != nil {
			t.Fatal(err)
		}
		return *r.Value, *r.OpcBytesRemaining
	}
	first := capture()
	if text, _ := read(first, 0, 1<<20); !strings.Contains(text, "Started kubelet v1.34.1") {
		t.Errorf("console %q", text)
	}
	if err := c.SetConsole(node, "Kernel panic - not syncing"); err != nil {
		t.Fatal(err)
	}
	second := capture()
	if text, rest := read(second, 7, 5); text != "panic" || rest != len(" - not syncing") {
		t.Errorf("part of the console: %q, %d left", text, rest)
	}
	if text, _ := read(first, 0, 1<<20); strings.Contains(text, "panic") {
		t.Error("a captured console changed")
	}
	if _, err := c.compute.DeleteConsoleHistory(t.Context(), core.DeleteConsoleHistoryRequest{InstanceConsoleHistoryId: &first}); err != nil {
		t.Fatal(err)
	}
	compartment := c.Compartment()
	all, err := c.compute.ListConsoleHistories(t.Context(), core.ListConsoleHistoriesRequest{CompartmentId: &compartment, InstanceId: &node})
	if err != nil || len(all.Items) != 1 || *all.Items[0].Id != second {
		t.Errorf("histories %+v, %v", all.Items, err)
	}
	_, err = c.compute.GetConsoleHistory(t.Context(), core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: &first})
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestAttachments(t *testing.T) {
	c := newCloud(t, Options{})
	spec := c.spec("workers", 2)
	spec.CNI, spec.OCPUs, spec.MemoryGB, spec.BootVolumeGB = cniNative, 4, 32, 120
	id, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	node := c.rest(id).Nodes[0]
	compartment := c.Compartment()
	vnics, err := c.compute.ListVnicAttachments(t.Context(), core.ListVnicAttachmentsRequest{CompartmentId: &compartment, InstanceId: &node.ID})
	if err != nil || len(vnics.Items) != 4 { // its own and three for 93 pods
		t.Errorf("%d vnics, %v", len(vnics.Items), err)
	}
	volumes, err := c.compute.ListBootVolumeAttachments(t.Context(), core.ListBootVolumeAttachmentsRequest{CompartmentId: &compartment, AvailabilityDomain: &node.AD, InstanceId: &node.ID})
	if err != nil || len(volumes.Items) != 1 {
		t.Fatalf("volumes %+v, %v", volumes.Items, err)
	}
	storage, err := core.NewBlockstorageClientWithConfigurationProvider(c.credentials())
	if err != nil {
		t.Fatal(err)
	}
	storage.Host, storage.HTTPClient = c.server.URL, c.server.Client()
	before := *volumes.Items[0].BootVolumeId
	volume, err := storage.GetBootVolume(t.Context(), core.GetBootVolumeRequest{BootVolumeId: &before})
	if err != nil || *volume.SizeInGBs != 120 {
		t.Errorf("volume %+v, %v", volume.BootVolume, err)
	}
	network, err := core.NewVirtualNetworkClientWithConfigurationProvider(c.credentials())
	if err != nil {
		t.Fatal(err)
	}
	network.Host, network.HTTPClient = c.server.URL, c.server.Client()
	v, err := network.GetVnic(t.Context(), core.GetVnicRequest{VnicId: vnics.Items[0].VnicId})
	if err != nil || *v.PrivateIp != node.PrivateIP || !*v.IsPrimary {
		t.Errorf("vnic %+v, %v", v.Vnic, err)
	}
	work, err := c.replaceBootVolume(node.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.finished(work)
	volumes, err = c.compute.ListBootVolumeAttachments(t.Context(), core.ListBootVolumeAttachmentsRequest{CompartmentId: &compartment, AvailabilityDomain: &node.AD, InstanceId: &node.ID})
	if err != nil || len(volumes.Items) != 1 || *volumes.Items[0].BootVolumeId == before {
		t.Errorf("after the replacement: %+v, %v", volumes.Items, err)
	}
}

func TestMaintenanceIsAnnounced(t *testing.T) {
	c := newCloud(t, Options{})
	node := c.rest(c.pool("workers", 2)).Nodes[0].ID
	due := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := c.ScheduleMaintenance(node, due); err != nil {
		t.Fatal(err)
	}
	r, err := c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: &node})
	if err != nil || r.TimeMaintenanceRebootDue == nil || !r.TimeMaintenanceRebootDue.Equal(due) {
		t.Errorf("due %v, %v", r.TimeMaintenanceRebootDue, err)
	}
	compartment := c.Compartment()
	events, err := c.compute.ListInstanceMaintenanceEvents(t.Context(), core.ListInstanceMaintenanceEventsRequest{CompartmentId: &compartment})
	if err != nil || len(events.Items) != 1 || *events.Items[0].InstanceId != node {
		t.Errorf("events %+v, %v", events.Items, err)
	}
	if _, err := c.compute.InstanceAction(t.Context(), core.InstanceActionRequest{InstanceId: &node, Action: core.InstanceActionActionRebootmigrate}); err != nil {
		t.Fatal(err)
	}
	// The machine goes down before it leaves its host, and until then it is announced.
	c.eventually("migrated", func() bool {
		r, err := c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: &node})
		return err == nil && r.TimeMaintenanceRebootDue == nil
	})
}

// What is announced happens when the emulator is told so, and is over when the machine has been stopped, whoever stopped it.
func TestMaintenanceHappens(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 4)
	var nodes []string
	for _, n := range c.rest(id).Nodes {
		nodes = append(nodes, n.ID)
	}
	compartment := c.Compartment()
	planned := func(node string) bool {
		r, err := c.compute.ListInstanceMaintenanceEvents(t.Context(), core.ListInstanceMaintenanceEventsRequest{CompartmentId: &compartment, InstanceId: &node})
		return err != nil || len(r.Items) > 0
	}
	for i, action := range []string{"", "STOP", "TERMINATE", ""} {
		if err := c.PlanMaintenance(nodes[i], Maintenance{Start: time.Now(), Action: action}); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes[:3] {
		if err := c.Maintain(node, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{stateRunning, stateStopped, stateTerminated} {
		c.eventually(want, func() bool {
			v, err := c.Instance(nodes[i])
			return err == nil && v.State == want && !planned(nodes[i]) && (i > 0 || v.Boots == 2)
		})
	}
	if err := c.Maintain(nodes[1], 0); err == nil {
		t.Error("a maintenance of a machine that is off begins")
	}
	if err := c.StopInstance(nodes[3]); err != nil {
		t.Fatal(err)
	}
	c.eventually("moved", func() bool { return !planned(nodes[3]) })
	if v, err := c.Pool(id); err != nil || v.Size != 4 {
		t.Errorf("pool %+v, %v: OKE notices nothing", v, err)
	}
}

// A terminated instance is not a deleted node: OKE keeps the entry and the size.
func TestTerminateInstance(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	node := c.rest(id).Nodes[0].ID
	if _, err := c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: &node}); err != nil {
		t.Fatal(err)
	}
	c.eventually("terminated", func() bool { i, err := c.Instance(node); return err == nil && i.State == stateTerminated })
	if p := c.get(id); len(p.Nodes) != 1 || p.Nodes[0].LifecycleState != "ACTIVE" || *p.NodeConfigDetails.Size != 1 {
		t.Errorf("pool %+v", p.Nodes)
	}
	_, err := c.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: &node})
	wantRefusal(t, err, 409, "Conflict")
}
