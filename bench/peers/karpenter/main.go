// Command karpenter runs Karpenter's scheduler on pods that another program
// made, so that two systems are measured on one machine, in one run, with the
// same work.
//
//	bench ── pods and machine types, JSON ──► stdin │ Topology + Scheduler + Solve │ stdout ──► {"decide":…,"nodes":…,"unscheduled":…}
//
// It is a module of its own: what Karpenter needs is none of the product's
// business. What is timed is what Karpenter does for one batch of pending pods:
// it builds a topology, a scheduler, and solves, once each. Its own benchmark
// solves again and again with one scheduler whose counts are not reset, which
// measures something else. No Kubernetes and no cloud is behind it: its fakes
// answer at once.
//
// The two plans are bought in one shop: a machine has here what pods may have of
// it there, no more is taken off it, and it costs the same in every zone. A claim
// of Karpenter's leaves open which machine it becomes; it costs what the cheapest
// of those it may become does, as Karpenter would launch it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakecr "sigs.k8s.io/controller-runtime/pkg/client/fake"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	kscheduling "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/test"
)

// work is what is asked for.
type work struct {
	Pods     []*corev1.Pod `json:"pods"`
	Machines []machine     `json:"machines"`
	Zones    []string      `json:"zones"`
}

// machine is a type of machine that may be had in every zone.
type machine struct {
	Name   string  `json:"name"`
	CPU    string  `json:"cpu"`
	Memory string  `json:"memory"`
	Price  float64 `json:"price"`
}

// answer is what came of it.
type answer struct {
	// Decide is the time in milliseconds.
	Decide float64 `json:"decide"`
	Nodes  int     `json:"nodes"`
	// Cost is that of all nodes, in the unit of the machines' prices.
	Cost float64 `json:"cost"`
	// Kinds are the nodes by the machine that they become.
	Kinds       map[string]int `json:"kinds"`
	Unscheduled int            `json:"unscheduled"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "karpenter: error:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var w work
	if err := json.NewDecoder(in).Decode(&w); err != nil {
		return fmt.Errorf("read work: %w", err)
	}
	for i, p := range w.Pods {
		p.UID = types.UID(fmt.Sprintf("%08d", i)) // pods of one UID count as one
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	}
	ctrllog.SetLogger(logr.Discard())
	ctx := options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), test.Options())
	start := time.Now()
	results, err := solve(ctx, w)
	if err != nil {
		return fmt.Errorf("solve: %w", err)
	}
	a := answer{
		Decide: float64(time.Since(start).Microseconds()) / 1000, Nodes: len(results.NewNodeClaims), Unscheduled: len(results.PodErrors), Kinds: map[string]int{},
	}
	for _, claim := range results.NewNodeClaims {
		kind := claim.InstanceTypeOptions.OrderByPrice(claim.Requirements)[0]
		a.Kinds[kind.Name]++
		a.Cost += kind.Offerings.Available().Compatible(claim.Requirements).Cheapest().Price
	}
	return json.NewEncoder(out).Encode(a)
}

// solve is one batch.
func solve(ctx context.Context, w work) (scheduling.Results, error) {
	pool := test.NodePool(v1.NodePool{Spec: v1.NodePoolSpec{Limits: v1.Limits{corev1.ResourceCPU: resource.MustParse("10000000")}}})
	kinds := instanceTypes(w)
	provider := fake.NewCloudProvider()
	provider.InstanceTypes = kinds
	client := fakecr.NewFakeClient()
	tick := &clock.RealClock{}
	cluster := state.NewCluster(tick, client, provider)
	byPool := map[string][]*cloudprovider.InstanceType{pool.Name: kinds}
	opts := []scheduling.Options{scheduling.NumConcurrentReconciles(5)}
	topology, err := scheduling.NewTopology(ctx, client, cluster, nil, []*v1.NodePool{pool}, byPool, w.Pods, opts...)
	if err != nil {
		return scheduling.Results{}, err
	}
	s := scheduling.NewScheduler(ctx, client, []*v1.NodePool{pool}, cluster, nil, topology, byPool, nil,
		events.NewRecorder(&record.FakeRecorder{}), tick, nil, nil, opts...)
	return s.Solve(ctx, w.Pods)
}

func instanceTypes(w work) []*cloudprovider.InstanceType {
	var out []*cloudprovider.InstanceType
	for _, m := range w.Machines {
		var offers []cloudprovider.Offering
		for _, zone := range w.Zones {
			offers = append(offers, cloudprovider.Offering{
				Available: true, Price: m.Price, Requirements: kscheduling.NewLabelRequirements(map[string]string{
					v1.CapacityTypeLabelKey: v1.CapacityTypeOnDemand, corev1.LabelTopologyZone: zone,
				}),
			})
		}
		kind := fake.NewInstanceType(m.Name, fake.WithOfferings(offers...), fake.WithResources(corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(m.CPU), corev1.ResourceMemory: resource.MustParse(m.Memory), corev1.ResourcePods: resource.MustParse("110"),
		}))
		kind.Overhead = &cloudprovider.InstanceTypeOverhead{} // what a node keeps for itself is off already
		out = append(out, kind)
	}
	return out
}
