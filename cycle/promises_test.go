package cycle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// The promises of a run, by the names under which other systems broke them.
const (
	invFloor        = "FLOOR"
	invCeil         = "CEIL"
	invPDB          = "PDB"
	invReplaceFirst = "REPLACE-FIRST"
	invOneOwner     = "ONE-OWNER"
	invClean        = "EVENTUAL-CLEAN"
	invIdempotent   = "IDEMPOTENT"
	invDerivable    = "DERIVABLE"
	invMonotone     = "MONOTONE"
	invNoSurprise   = "NO-SURPRISE-DELETE"
	invDeadline     = "DEADLINE"
	invSize         = "SIZE"
	invZone         = "ZONE"
	invSkew         = "SKEW"
	invQuiet        = "QUIET"
	invBrake        = "BRAKE"
	invRate         = "RATE"
	invNoDeadlock   = "NO-DEADLOCK"
)

// promise counts that a promise was put to the test, and says so if it was broken.
func (s *simulation) promise(name string, ok bool, format string, args ...any) {
	s.kept[name]++
	if !ok {
		s.t.Errorf(name+": "+format+"\n%s", append(args, s.last)...)
	}
}

// patience is how long any run may take here.
func (s *simulation) patience() time.Duration {
	if len(s.town.pool.Spec.Cycle.Windows) > 0 {
		return 72 * time.Hour
	}
	return 8 * time.Hour
}

func (s *simulation) look() *world.Pool {
	var objects world.Objects
	var nodes corev1.NodeList
	dead := s.town.dead
	s.town.dead = false
	if err := s.town.List(context.Background(), &nodes); err != nil {
		s.t.Fatalf("list nodes: %v", err)
	}
	s.town.dead = dead
	objects.Nodes, objects.Pools = nodes.Items, []v1alpha1.Pool{*s.town.pool}
	pools, _ := s.cloud.Pools(context.Background())
	instances, _ := s.cloud.Instances(context.Background(), s.id)
	instances = s.town.withLost(instances)
	return world.Join(objects, cloudprovider.Cloud{Pools: pools, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{s.id: instances}}, time.Now()).Pools[0]
}

func (s *simulation) budget(desired int) Budget {
	spec, run := s.town.pool.Spec.Cycle, s.town.pool.Status.Cycle
	b, err := BudgetOf(spec, desired, s.set.zones)
	if err != nil {
		s.t.Fatalf("budget: %v", err)
	}
	if b = b.For(strategyOf(spec, run)); run != nil && (run.Rung == rungUnavailable || run.Rung == rungBootVolume) {
		b.Unavailable = max(b.Unavailable, 1)
	}
	return b
}

// limits are the numbers of a run, counted here from what the user wrote and not
// by the code that is watched: how many nodes must be available, in all and in a
// zone, and how many machines there may be. missing is how many may be absent.
func (s *simulation) limits(desired int) (floor, ceiling, zoneFloor, missing int) {
	amount := func(v *intstr.IntOrString, usual, up int) int {
		if v == nil {
			return usual
		}
		if v.Type == intstr.Int {
			return v.IntValue()
		}
		var percent int
		if _, err := fmt.Sscanf(v.StrVal, "%d%%", &percent); err != nil {
			s.t.Fatalf("percent %q: %v", v.StrVal, err)
		}
		return (percent*desired + up) / 100
	}
	spec, run := s.town.pool.Spec.Cycle, s.town.pool.Status.Cycle
	surge, missing := amount(spec.MaxSurge, 1, 99), amount(spec.MaxUnavailable, 0, 0)
	strategy := spec.Strategy
	if run != nil {
		strategy = run.Strategy
	}
	switch strategy {
	case v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume:
		surge, missing = 0, max(missing, 1)
	case v1alpha1.StrategyBlueGreen:
		surge, missing = max(desired, 1), 0
	}
	if run != nil && (run.Rung == "Unavailable" || run.Rung == "BootVolume") {
		missing = max(missing, 1)
	}
	return max(desired-missing, 0), desired + surge, max(desired/max(s.set.zones, 1)-missing, 0), missing
}

// watchNode is called before a change of a Node: Floor, Replace-first, Zone.
func (s *simulation) watchNode(before, after *corev1.Node) {
	s.watchOwner(before, after)
	s.watchSkip(before, after)
	if before.Spec.Unschedulable || !after.Spec.Unschedulable {
		return
	}
	pool := s.look()
	if pool.Run() == nil {
		s.t.Errorf("node %s is cordoned without a run", after.Name)
		return
	}
	s.watchCordon(pool, after)
	for _, n := range pool.Nodes {
		if n.Object != nil && n.Object.UID == before.UID && !n.Available() {
			return // it was not counted on before
		}
	}
	floor, _, zoneFloor, missing := s.limits(pool.Desired())
	all, zones := pool.Counts()
	if m, err := kube.MarkOf(after); err == nil && m != nil && m.Reason == string(Surplus) {
		for _, n := range pool.Nodes { // what people have cordoned was missing before the run
			if n.Mark == nil && n.Object != nil && n.Object.Spec.Unschedulable {
				floor, zoneFloor, missing = floor-1, zoneFloor-1, missing+1
			}
		}
	}
	s.promise(invFloor, all.Available-1 >= floor, "node %s is cordoned with %d available, %d must remain", after.Name, all.Available, floor)
	if missing == 0 {
		s.promise(invReplaceFirst, all.Available > pool.Desired(), "node %s is cordoned and nothing stands in: %d are available of %d", after.Name, all.Available, pool.Desired())
	}
	zone := cloudprovider.Zone(after.Labels[corev1.LabelTopologyZone])
	s.kept[invZone]++
	if zones[zone].Available-1 >= zoneFloor {
		return
	}
	// The zone's floor yields only when nothing else can go on.
	other := ""
	for _, n := range pool.Nodes {
		if n.Available() && n.Kubernetes() != pool.Cloud.Release.Kubernetes && zones[n.Zone()].Available-1 >= zoneFloor && !time.Now().Before(s.alone[n.Name()]) {
			other = n.Name()
		}
		if n.Stage() == world.StageDrained && pool.Run().Strategy == v1alpha1.StrategyBlueGreen {
			all.Disrupted-- // it stands empty until the last is
		}
	}
	if other != "" || all.Coming+all.Disrupted > 0 {
		s.promise(invZone, false, "node %s is cordoned with %d available in %s, %d must remain; %d are coming, %d going, and %q could go",
			after.Name, zones[zone].Available, zone, zoneFloor, all.Coming, all.Disrupted, other)
	}
}

// watchCounts is called after each look: Ceiling.
func (s *simulation) watchCounts() {
	pool := s.look()
	all, _ := pool.Counts()
	if pool.Run() == nil {
		return
	}
	_, limit, _, _ := s.limits(pool.Desired())
	if s.resized { // somebody has lowered it below what is there
		s.resized = all.Instances > limit
		return
	}
	s.promise(invCeil, all.Instances <= limit, "%d machines, at most %d", all.Instances, limit)
}

// lateness is by how much a drain may be late: the process may die, and the cloud
// not answer.
const lateness = 5 * time.Minute

// watchDrains is called after each look: Deadline. A node that does not become empty
// is held for as long as the user has said and not longer; in quarantine for ever,
// and one place of the budget stays free of that.
func (s *simulation) watchDrains() {
	spec := s.town.pool.Spec.Cycle.Drain
	if spec == nil || spec.Timeout == nil || spec.WaitForJobs != nil {
		return
	}
	limit := 0
	switch spec.OnTimeout {
	case v1alpha1.DrainQuarantine:
		_, ceiling, _, missing := s.limits(s.set.size)
		limit = max(ceiling-s.set.size+missing-1, 0)
	case v1alpha1.DrainSkip, "":
	default:
		return
	}
	var late []string
	for name, n := range s.town.nodes {
		m, err := kube.MarkOf(n)
		if err == nil && m != nil && m.DrainStarted != nil && m.Drained == nil && time.Since(*m.DrainStarted) > spec.Timeout.Duration+lateness {
			late = append(late, name)
		}
	}
	if s.overdue++; len(late) <= limit {
		s.overdue = 0
	}
	s.promise(invDeadline, s.overdue < 6, "nodes %v are held by drains that have run out of time, %d may be", late, limit)
}

// watchShrink is called before a machine is deleted with its place.
func (s *simulation) watchShrink() {
	if pool := s.look(); pool.Run() != nil && pool.Run().Least > 0 {
		s.promise(invDerivable, pool.Cloud.Size > int(pool.Run().Least), "a machine is deleted at size %d, and the record has %d at least", pool.Cloud.Size, pool.Run().Least)
	}
}

// watchDelete is called before a machine is deleted: No surprise delete.
func (s *simulation) watchDelete(id cloudprovider.InstanceID) {
	n := s.town.nodes[string(id)]
	if n == nil {
		return
	}
	mark, err := kube.MarkOf(n)
	if err != nil || mark == nil || mark.Drained == nil || mark.InstanceID != string(id) || !n.Spec.Unschedulable {
		s.promise(invNoSurprise, false, "instance %s is deleted with mark %+v, %v", id, mark, err)
		return
	}
	c := drain.Classify(n, s.town.podList("spec.nodeName="+n.Name), nil, time.Now())
	s.promise(invNoSurprise, len(c.Evictable)+len(c.Leaving)+len(c.Blocked) == 0, "instance %s is deleted with pods on it", id)
}

// watchResize is called before a pool's size is changed: a run grows it for a machine
// that it has yet to replace, for its size or for its zones, and for nothing else. One
// more than that would be a machine too many, and another node emptied for it.
func (s *simulation) watchResize(from, to int) {
	pool := s.look()
	run := pool.Run()
	if run != nil && run.Greatest > 0 {
		s.promise(invDerivable, to <= int(run.Greatest), "size %d is asked for, and the record has %d at most", to, run.Greatest)
	}
	if run == nil || to <= max(from, int(run.Desired)) {
		return
	}
	left, zones := 0, map[cloudprovider.Zone]int{}
	for _, z := range pool.Cloud.Zones() {
		zones[z] = 0
	}
	for _, n := range pool.Nodes {
		if n.Instance == nil || n.Stage() == world.StageTerminating || n.Instance.State == cloudprovider.Failed {
			continue
		}
		zones[n.Zone()]++
		emptied := n.Mark != nil && n.Mark.Drained != nil && run.Strategy != v1alpha1.StrategyBlueGreen
		asked := n.Object != nil && n.Object.Annotations[v1alpha1.AnnotationCycle] != ""
		if !emptied && (asked || n.Created().Before(run.StartedAt.Time)) {
			left++
		}
	}
	counts := slices.Collect(maps.Values(zones))
	s.promise(invSize, left > 0 || slices.Max(counts)-slices.Min(counts) > 1, "the pool is grown from %d to %d with nothing left to be replaced", from, to)
}

// watchSkip is called before a change of a Node. One whose drain has run out of time is
// left alone for a while, and so cannot go instead of another: counted here, and not
// read off what the daemon has noted.
func (s *simulation) watchSkip(before, after *corev1.Node) {
	mark, err := kube.MarkOf(before)
	if err != nil || mark == nil || after.Annotations[v1alpha1.AnnotationDisruption] != "" || after.Annotations[v1alpha1.AnnotationSkippedUntil] == before.Annotations[v1alpha1.AnnotationSkippedUntil] {
		return
	}
	timeout := 30 * time.Minute
	if d := s.town.pool.Spec.Cycle.Drain; d != nil && d.Timeout != nil {
		timeout = d.Timeout.Duration
	}
	if mark.DrainStarted != nil && time.Since(*mark.DrainStarted) >= timeout {
		s.skips[after.Name]++
		s.alone[after.Name] = time.Now().Add(min(10*time.Minute<<(s.skips[after.Name]-1), time.Hour))
	}
}

// watchOwner is called at each change of a Node: what somebody else did stays.
func (s *simulation) watchOwner(before, after *corev1.Node) {
	mark, err := kube.MarkOf(before)
	if before.Spec.Unschedulable && !after.Spec.Unschedulable {
		s.promise(invOneOwner, err == nil && mark != nil && mark.Cordoned, "node %s is uncordoned, and it was not tidemill that cordoned it", after.Name)
	}
	if v := before.Annotations[v1alpha1.AnnotationScaleDownDisabled]; v == "true" && before.Annotations["theirs"] != "" {
		s.promise(invOneOwner, after.Annotations[v1alpha1.AnnotationScaleDownDisabled] == v, "node %s loses an annotation that is somebody's", after.Name)
	}
	if mark != nil && after.Annotations[v1alpha1.AnnotationDisruption] != "" {
		now, err := kube.MarkOf(after)
		s.promise(invOneOwner, err == nil && now.Cause == mark.Cause && now.Since.Equal(mark.Since), "node %s changes hands: %+v → %+v", after.Name, mark, now)
	}
}

// watchCordon is called before a node is cordoned.
func (s *simulation) watchCordon(pool *world.Pool, after *corev1.Node) {
	spec, run := s.town.pool.Spec.Cycle, pool.Run()
	mark, err := kube.MarkOf(after)
	if err != nil || mark == nil {
		s.promise(invOneOwner, false, "node %s is cordoned without a mark: %v", after.Name, err)
		return
	}
	extra := mark.Reason == string(Surplus) || mark.Reason == string(JoinTimeout) || mark.Reason == string(Requested)
	var node *world.Node
	broke := 0
	for _, n := range pool.Nodes {
		if n.Object != nil && n.Object.UID == after.UID {
			node = n
		}
		if broken(n) {
			broke++
		}
	}
	if !extra {
		fresh := node.Kubernetes() == pool.Cloud.Release.Kubernetes && node.Instance.Release == pool.Cloud.Release && !node.Created().Before(run.StartedAt.Time)
		s.promise(invMonotone, !fresh, "up-to-date node %s is taken", after.Name)
	}
	open, _, err := windowsAt(spec.Windows, time.Now())
	aborted := s.annotation(v1alpha1.AnnotationAbort) != "" && run.AbortSeen != s.annotation(v1alpha1.AnnotationAbort)
	if len(spec.Windows) > 0 && mark.Cause == kube.CauseCycle && mark.Reason != string(JoinTimeout) && !aborted {
		s.promise(invQuiet, err == nil && open, "node %s is begun outside of every window", after.Name)
	}
	all, _ := pool.Counts()
	floor, _, _, missing := s.limits(pool.Desired())
	if broke > max(1, missing, pool.Desired()*45/100) {
		s.promise(invBrake, all.Available >= floor, "node %s is taken while %d are broken and %d are available", after.Name, broke, all.Available)
	}
	if limit := max(len(run.FailedJoins), 0); mark.Reason == string(Outdated) {
		s.promise(invBrake, limit < 3, "node %s is taken after %d failed joins", after.Name, limit)
	}
}

func (s *simulation) annotation(key string) string { return s.town.pool.Annotations[key] }

// watchStatus is called after each look: the record is small, and a process that
// knows nothing would decide the same.
func (s *simulation) watchStatus() {
	s.promise(invRate, s.bytes() < 16<<10, "the Pool has %d bytes", s.bytes())
	if s.town.dead || s.ticks%7 != 0 || s.set.lag > 0 || s.flaky > 0 {
		return
	}
	snapshot, err := s.loop.Observer.Observe(context.Background())
	if err != nil || snapshot.CloudErr != nil {
		return
	}
	policy := s.loop.Policy
	policy.Drains = s.loop.drains
	fresh := Decide(snapshot, s.loop.Policy)
	same := Decide(snapshot, policy)
	s.promise(invDerivable, steps(fresh) == steps(same), "a new process would decide\n%s\nand this one\n%s", steps(fresh), steps(same))
}

func (s *simulation) bytes() int { return bytesOf(s.town.pool) }

func bytesOf(p *v1alpha1.Pool) int {
	text, err := json.Marshal(p)
	if err != nil {
		return 1 << 30
	}
	return len(text)
}

func steps(p Plan) string {
	out := ""
	for _, s := range p.Steps {
		if s.Kind != Skip {
			out += s.String() + "\n"
		}
	}
	return out
}

// watchRelease is called before a pool gets another release.
func (s *simulation) watchRelease(r cloudprovider.Release) {
	minor := 0
	if _, err := fmt.Sscanf(r.Kubernetes, "v1.%d.", &minor); err != nil {
		s.t.Fatalf("version %q: %v", r.Kubernetes, err)
	}
	s.promise(invSkew, minor <= 34 && minor >= 31, "the pool is given %s under a control plane of v1.34.1", r.Kubernetes)
	open, _, _ := windowsAt(s.town.pool.Spec.Cycle.Windows, time.Now())
	s.promise(invQuiet, open, "the pool is given %s outside of every window", r.Kubernetes)
}
