package playground

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Two engineers' readings of the same measurements: what the driver promises of
// a node before there is one, and what the emulated kubelet registers. They are
// written apart, so that a slip of either shows here; a template that promises
// more than its node gives would grow pools for pods that never fit.
func TestDriverTemplatesAreTheNodes(t *testing.T) {
	sim := okesim.New(okesim.Options{Latency: okesim.Latency{Accept: time.Millisecond, Provision: time.Millisecond, Boot: time.Millisecond}})
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	cluster := sim.AddCluster(okesim.Cluster{Name: "templates"})
	config, err := sim.NewCredentials(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	driver, err := oke.New(t.Context(), oke.Options{ConfigFile: config, Endpoint: server.URL, CompartmentID: sim.Compartment(), ClusterID: cluster,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\noci-growfs -y\nbash /var/run/oke-init.sh --kubelet-extra-args \"--node-labels=disk=big\"\n"))
	for _, spec := range []okesim.Pool{
		{Name: "e4", Shape: "VM.Standard.E4.Flex", OCPUs: 1, MemoryGB: 8},
		{Name: "e5", Shape: "VM.Standard.E5.Flex", OCPUs: 8, MemoryGB: 32, CNI: vcnNative, MaxPods: 60},
		{Name: "e6", Shape: "VM.Standard.E6.Flex", OCPUs: 64, MemoryGB: 1024, CNI: vcnNative},
		{Name: "a1", Shape: "VM.Standard.A1.Flex", OCPUs: 4, MemoryGB: 24, Labels: map[string]string{"team": "a"}},
		{Name: "a2", Shape: "VM.Standard.A2.Flex", OCPUs: 3, MemoryGB: 12},
		{Name: "old", Shape: "VM.Standard2.2"},
		{Name: "gpu", Shape: "VM.GPU.A10.2", Metadata: map[string]string{"kubelet-extra-args": "--register-with-taints=dedicated=ml:NoSchedule"}},
		{Name: "metal", Shape: "BM.GPU.H100.8", BootVolumeGB: 500, Metadata: map[string]string{"user_data": script}},
		{Name: "huge", Shape: "BM.Standard.E5.192"},
		{Name: "spot", Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Placements: []okesim.Placement{{AD: sim.AvailabilityDomains()[1], SubnetID: "s", Preemptible: true}}},
	} {
		spec.ClusterID, spec.Size = cluster, 1
		if spec.Placements == nil {
			spec.Placements = []okesim.Placement{{AD: sim.AvailabilityDomains()[0], SubnetID: "s", FaultDomains: []string{"FAULT-DOMAIN-1"}}}
		}
		if _, err := sim.AddPool(spec); err != nil {
			t.Fatalf("%s: %v", spec.Name, err)
		}
	}
	eventually(t, func(context.Context) error {
		if slices.ContainsFunc(sim.Pools(), func(p okesim.PoolView) bool { return p.State != "ACTIVE" }) {
			return errors.New("the pools are not there")
		}
		return nil
	})
	pools, err := driver.Pools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	instances := sim.Instances()
	for _, p := range pools {
		i := slices.IndexFunc(instances, func(i okesim.Instance) bool { return i.PoolID == string(p.ID) })
		if p.Health.Err != nil || i < 0 || len(p.Placements) != 1 {
			t.Fatalf("pool %s: %+v", p.Name, p.Health)
		}
		compareWithNode(t, p.Name, &p.Placements[0].Template, nodeOf(instances[i]))
		if p.Preemptible != (p.Name == "spot") || p.Placements[0].Price <= 0 {
			t.Errorf("%s: preemptible %v, %v USD/h", p.Name, p.Preemptible, p.Placements[0].Price)
		}
	}
}

// compareWithNode holds a template to a Node: the same taints, no label that the
// Node lacks, and of each resource no more than it has, but for the bytes by which
// the two round 10 % of a disk, nor more than a MiB less.
func compareWithNode(t *testing.T, pool string, template, node *corev1.Node) {
	t.Helper()
	if diff := cmp.Diff(node.Spec.Taints, template.Spec.Taints); diff != "" {
		t.Errorf("%s: taints (-node +template):\n%s", pool, diff)
	}
	for key, want := range template.Labels {
		if got, ok := node.Labels[key]; !ok || got != want {
			t.Errorf("%s: label %s=%s is %q on the node", pool, key, want, got)
		}
	}
	for _, list := range []struct {
		name           string
		template, node corev1.ResourceList
	}{
		{"capacity", template.Status.Capacity, node.Status.Capacity},
		{"allocatable", template.Status.Allocatable, node.Status.Allocatable},
	} {
		if len(list.template) != len(list.node) {
			t.Errorf("%s: %s %v, the node's %v", pool, list.name, list.template, list.node)
		}
		for name, has := range list.node {
			promised := list.template[name]
			less := has.Value() - promised.Value()
			if less < -16 || less > mi || (name == corev1.ResourceCPU && promised.Cmp(has) != 0) {
				t.Errorf("%s: %s %s is %s, the node's %s", pool, list.name, name, promised.String(), has.String())
			}
		}
	}
}
