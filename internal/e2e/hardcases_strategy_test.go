package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// loadOf is what runs on a pool of three while it is turned over: two pods a node,
// of which two may be away.
func loadOf(pool string) Workload {
	return in(pool, Workload{Name: pool + "-load", Replicas: 6, Spare: 2})
}

// upgradedTo asks for a version and waits until the run for it has ended well.
func (s *Stage) upgradedTo(ctx context.Context, pool, version string) error {
	if err := s.Annotate(ctx, pool, v1alpha1.AnnotationUpgradeTo, version); err != nil {
		return err
	}
	return s.answered(ctx, Turn{Pool: pool, Key: v1alpha1.AnnotationUpgradeTo, Value: version})
}

// byCommand turns a pool over as a person does, and says what the command showed
// while it waited. It must say how far it is, and for what it waits.
func (s *Stage) byCommand(ctx context.Context, pool, version string) (string, error) {
	out, talk, code, err := s.CLI(ctx, "cycle", pool, "--to", version, "--wait", "--timeout", "5m")
	if err != nil || code != 0 || !strings.Contains(out, "Succeeded") {
		return talk, fmt.Errorf("tidemill cycle --wait: exit %d: %s%s %w", code, out, talk, err)
	}
	for _, want := range []string{pool + ": 0 of 3 replaced", "left", "draining"} {
		if !strings.Contains(talk, want) {
			return talk, fmt.Errorf("tidemill cycle --wait does not say %q:\n%s", want, talk)
		}
	}
	return talk, nil
}

// inPlace: there is no machine to spare. Each node goes before its successor comes,
// one at a time, and there are never more machines than nodes wanted.
func inPlace(ctx context.Context, s *Stage, pool string) error {
	load, talk := loadOf(pool), ""
	seen, err := s.watched(ctx, pool, &load, func(before Fleet) (err error) {
		if talk, err = s.byCommand(ctx, pool, firstUpgrade); err != nil {
			return err
		}
		return s.turnedWell(ctx, Turn{Pool: pool, Version: firstUpgrade, Load: &load}, before, len(before))
	})
	if err == nil && (seen.MostMachines != 3 || seen.LeastAvailable != 2) {
		err = fmt.Errorf("%d machines at most and %d available at least, want 3 and 2", seen.MostMachines, seen.LeastAvailable)
	}
	s.Checked("never more than %d machines, never fewer than %d available; tidemill cycle --wait said:\n%s", seen.MostMachines, seen.LeastAvailable, talk)
	return err
}

// newBootVolumes: the machines stay what they are, by OCID, address and Node, and
// boot the new version.
func newBootVolumes(ctx context.Context, s *Stage, pool string) error {
	load := loadOf(pool)
	type life struct{ node, boot string }
	lives := func() (map[string]life, []string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		out, wrong := map[string]life{}, []string(nil)
		for i := range nodes {
			n := &nodes[i]
			out[n.Spec.ProviderID] = life{n.Name, n.Status.NodeInfo.BootID}
			if wrong = append(wrong, marks(n)...); n.Status.NodeInfo.KubeletVersion != firstUpgrade {
				wrong = append(wrong, n.Name+" runs "+n.Status.NodeInfo.KubeletVersion)
			}
		}
		return out, wrong, err
	}
	seen, err := s.watched(ctx, pool, &load, func(Fleet) error {
		before, _, err := lives()
		if err != nil {
			return err
		}
		if err := s.upgradedTo(ctx, pool, firstUpgrade); err != nil {
			return err
		}
		return s.Wait(ctx, "every machine to be the same and newly booted", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
			now, wrong, err := lives()
			for id, l := range before {
				if now[id].node != l.node || now[id].boot == l.boot || len(now) != len(before) {
					wrong = append(wrong, fmt.Sprintf("node %s (boot %s) is %s (boot %s)", l.node, l.boot, now[id].node, now[id].boot))
				}
			}
			running, _ := s.Running(ctx, load)
			return len(wrong) == 0 && running == int(load.Replicas), fmt.Sprintf("%s; %d pods run", strings.Join(wrong, "; "), running), err
		})
	})
	s.Checked("the same 3 machines, each emptied, booted anew and given back; never fewer than %d available", seen.LeastAvailable)
	return err
}

// blueGreenThereAndBack: all new nodes stand beside all old ones, the old ones are
// emptied and stand. One command goes back to them; the second time nobody does.
func blueGreenThereAndBack(ctx context.Context, s *Stage, pool string) error {
	load := loadOf(pool)
	there, err := s.watched(ctx, pool, &load, func(blue Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationUpgradeTo, firstUpgrade); err != nil {
			return err
		}
		if err := s.Wait(ctx, "the old nodes to stand empty beside the new", 4*time.Minute, s.standEmpty(pool, blue, load)); err != nil {
			return err
		}
		out, talk, code, err := s.CLI(ctx, "cycle", pool, "--rollback", "--wait", "--timeout", "3m")
		if err != nil || code != 0 {
			return fmt.Errorf("tidemill cycle --rollback --wait: exit %d: %s%s %w", code, out, talk, err)
		}
		return s.backTo(ctx, pool, blue, load)
	})
	if err != nil {
		return err
	}
	if there.MostMachines != 6 {
		return fmt.Errorf("%d machines at most, want 6", there.MostMachines)
	}
	if err := s.ChangePool(ctx, pool, func(p *v1alpha1.Pool) {
		p.Spec.Cycle.BlueGreen.Soak = &metav1.Duration{Duration: 5 * time.Second}
	}); err != nil {
		return err
	}
	seen, err := s.watched(ctx, pool, &load, func(blue Fleet) error {
		if err := s.upgradedTo(ctx, pool, secondUpgrade); err != nil {
			return err
		}
		return s.turnedWell(ctx, Turn{Pool: pool, Version: secondUpgrade, Load: &load}, blue, len(blue))
	})
	s.Checked("back to the same 3 machines by one command; then through the soak to the end, never fewer than %d available", seen.LeastAvailable)
	return err
}

// standEmpty is the probe that all old nodes are emptied and stand, and the load
// runs in full on as many new ones.
func (s *Stage) standEmpty(pool string, blue Fleet, load Workload) Probe {
	return func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		empty, green := 0, 0
		for i := range nodes {
			_, old := blue[nodes[i].Spec.ProviderID]
			m, err := kube.MarkOf(&nodes[i])
			if old && err == nil && m != nil && m.Drained != nil {
				empty++
			}
			if !old && viewNode(&nodes[i]).Available() {
				green++
			}
		}
		if len(nodes) < len(blue) || empty > 0 && s.stillHere(blue) != len(blue) {
			return false, "", fmt.Errorf("an old machine is gone before the soak is over")
		}
		running, err := s.Running(ctx, load)
		return empty == len(blue) && green == len(blue) && running == int(load.Replicas),
			fmt.Sprintf("%d of %d old nodes stand empty, %d new ones are available, %d pods run", empty, len(blue), green, running), err
	}
}

// stillHere counts the machines of a fleet that run.
func (s *Stage) stillHere(f Fleet) int {
	n := 0
	for id := range f {
		if s.running(id) {
			n++
		}
	}
	return n
}

// backTo checks that the pool has the machines it had and no others, on the release
// it had, with nothing left on them.
func (s *Stage) backTo(ctx context.Context, pool string, blue Fleet, load Workload) error {
	return s.Wait(ctx, "the pool to be what it was", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		var wrong []string
		for i := range nodes {
			wrong = append(wrong, marks(&nodes[i])...)
			if _, old := blue[nodes[i].Spec.ProviderID]; !old {
				wrong = append(wrong, nodes[i].Name+" is a new one")
			}
		}
		cloud, err := s.CloudPool(pool)
		if err != nil {
			return false, "", err
		}
		if len(nodes) != len(blue) || cloud.Size != len(blue) || len(cloud.Nodes) != len(blue) {
			wrong = append(wrong, fmt.Sprintf("%d nodes, size %d, %d entries", len(nodes), cloud.Size, len(cloud.Nodes)))
		}
		if v := nodes[0].Status.NodeInfo.KubeletVersion; cloud.KubernetesVersion != v {
			wrong = append(wrong, "new nodes would get "+cloud.KubernetesVersion)
		}
		running, err := s.Running(ctx, load)
		return len(wrong) == 0 && running == int(load.Replicas), fmt.Sprintf("%s; %d pods run", strings.Join(wrong, "; "), running), err
	})
}

// delegated: OKE's own cycling does it, with its own cordons. What tidemill asks,
// watches and reports is checked, and the workload's budget, which OKE keeps too.
func delegated(ctx context.Context, s *Stage, pool string) error {
	load := loadOf(pool)
	before, err := s.fleet(ctx, pool)
	if err != nil {
		return err
	}
	if err := s.settled(ctx, load); err != nil {
		return err
	}
	if err := s.Annotate(ctx, pool, v1alpha1.AnnotationUpgradeTo, firstUpgrade); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the Pool to say that OKE does it", 2*time.Minute, s.waits(pool, "Delegated")); err != nil {
		return err
	}
	if err := s.answered(ctx, Turn{Pool: pool, Key: v1alpha1.AnnotationUpgradeTo, Value: firstUpgrade}); err != nil {
		return err
	}
	if err := s.turnedWell(ctx, Turn{Pool: pool, Version: firstUpgrade, Load: &load}, before, len(before)); err != nil {
		return err
	}
	asked := 0
	for _, w := range s.Sim.WorkRequests() {
		if w.Operation == "NODEPOOL_CYCLING" {
			asked++
		}
	}
	if asked != 1 {
		return fmt.Errorf("OKE was asked to cycle %d times", asked)
	}
	s.Checked("asked once, watched to the end")
	return nil
}

// zonesOf counts the pool's available nodes by zone.
func zonesOf(nodes []corev1.Node) string {
	count := map[string]int{}
	for i := range nodes {
		if v := viewNode(&nodes[i]); v.Available() {
			count[v.Zone]++
		}
	}
	var list []string
	for z, n := range count {
		list = append(list, fmt.Sprintf("%s: %d", z, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
