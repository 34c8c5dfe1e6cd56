package oke

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/providertest"
	"github.com/tidemill/tidemill/internal/okesim"
)

// TestContract runs the suite with the real SDK over HTTP, for each way in which
// the service may behave where no source says which it is.
func TestContract(t *testing.T) {
	for _, writes := range []string{"queue", "409"} {
		for _, form := range []string{"", "null", "absent"} {
			t.Run(fmt.Sprintf("writes on updating %s, missing id %q", writes, form), func(t *testing.T) {
				providertest.Run(t, func(t *testing.T) providertest.Harness {
					w := newWorld(t, okesim.Options{PageSize: 3, WritesOnUpdating: writes, IDForm: form})
					return w.in(okesim.Cluster{Name: "native", CNI: "OCI_VCN_IP_NATIVE"}).harness()
				})
			})
		}
	}
	t.Run("basic cluster", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness {
			h := newWorld(t, okesim.Options{PageSize: 3}).in(okesim.Cluster{Name: "basic", Type: "BASIC_CLUSTER"}).harness()
			h.Basic, h.AddVirtual = true, nil
			return h
		})
	})
}

func (w *world) harness() providertest.Harness {
	return providertest.Harness{
		Provider: w.Provider,
		AddPool: func(name string, size int) cloudprovider.PoolID {
			return w.addPool(okesim.Pool{Name: name, Size: size})
		},
		AddVirtual: w.addVirtual,
		RemovePool: func(id cloudprovider.PoolID) { w.removePool(id) },
		SetSize:    func(id cloudprovider.PoolID, size int) { w.setSizeBehind(id, size) },
		Plan: func(in cloudprovider.InstanceID, at time.Time) {
			if err := w.sim.ScheduleMaintenance(string(in), at); err != nil {
				w.t.Fatal(err)
			}
			w.plansAge = 0
		},
		Console: func(in cloudprovider.InstanceID, text string) {
			if err := w.sim.SetConsole(string(in), text); err != nil {
				w.t.Fatal(err)
			}
		},
		SetCapacity: func(n int) { w.sim.SetCapacity(testShape, w.sim.AvailabilityDomains()[0], n) },
		Settle:      w.settle,
		Inject:      w.inject,
	}
}

// in moves the world to another cluster.
func (w *world) in(c okesim.Cluster) *world {
	w.cluster = w.sim.AddCluster(c)
	w.Provider = w.driver()
	return w
}

func (w *world) addVirtual(name string, size int) cloudprovider.PoolID {
	w.t.Helper()
	id, err := w.sim.AddVirtualPool(okesim.VirtualPool{ClusterID: w.cluster, Name: name, Size: size,
		Placements: []okesim.Placement{{AD: w.sim.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1.iad.nodes"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return cloudprovider.PoolID(id)
}

func (w *world) removePool(id cloudprovider.PoolID) {
	w.t.Helper()
	w.settle(id)
	w.sim.DeletePool(string(id))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := w.sim.Pool(string(id)); err != nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("pool %s is still there", id)
		}
	}
}

func (w *world) setSizeBehind(id cloudprovider.PoolID, size int) {
	w.t.Helper()
	if _, err := w.sim.UpdatePool(string(id), okesim.PoolUpdate{Size: &size}, ""); err != nil {
		w.t.Fatal(err)
	}
}

// inject arms a fault for as many requests as the driver makes before it gives up.
func (w *world) inject(op providertest.Op, f providertest.Fault) {
	name := map[providertest.Op]string{
		providertest.Pools: "ListNodePools", providertest.Instances: "GetNodePool", providertest.Resize: "UpdateNodePool",
		providertest.Delete: "DeleteNode", providertest.Replace: "DeleteNode", providertest.SetRelease: "UpdateNodePool",
		providertest.Reboot: "RebootClusterNode", providertest.ReplaceBootVolume: "ReplaceBootVolumeClusterNode", providertest.Cycle: "UpdateNodePool",
	}[op]
	tries := writePolicy.tries
	if op == providertest.Pools || op == providertest.Instances {
		tries = readPolicy.tries
	}
	switch f {
	case providertest.Lost:
		w.sim.FailNext(name, 1, okesim.HTTPFault{Drop: true})
	case providertest.Throttled:
		w.sim.FailNext(name, tries, okesim.HTTPFault{Status: 429})
	case providertest.Unauthorized:
		w.sim.FailNext(name, 1, okesim.HTTPFault{Status: 401})
	default:
		w.sim.FailNext(name, tries, okesim.HTTPFault{Status: 500})
	}
}
