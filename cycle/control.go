package cycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

func timestamp(t time.Time) *metav1.Time { return &metav1.Time{Time: t.UTC().Truncate(time.Second)} }

// ending is why a run under way is to end before its work is done.
type ending struct {
	outcome string
	message string
}

// endPatience is how long a run that was told to end goes on giving back what it
// has added. What it had cordoned is given back at once; a node beyond the pool's
// size may be one that no budget lets go, and the cloud may not answer. Nobody is
// helped by a run that cannot be ended.
func (d *decision) endPatience() time.Duration {
	return max(d.drainTimeout()+d.joinTimeout(), time.Hour)
}

// ending notes since when the run is ending, and says whether it has had its time.
func (d *decision) ending(run *v1alpha1.CycleStatus, end *ending) (over bool) {
	switch {
	case end == nil:
		run.EndingSince = nil
	case run.EndingSince == nil:
		run.EndingSince = timestamp(d.s.Now)
	default:
		return d.s.Now.Sub(run.EndingSince.Time) >= d.endPatience()
	}
	return false
}

// leaveAsIs ends a run that could not clean up in its time, and says what it leaves
// behind. Marks are given back without a run as well.
func (d *decision) leaveAsIs(run *v1alpha1.CycleStatus, end *ending) {
	message := fmt.Sprintf("%s; it could not be tidied up in %s", end.message, d.endPatience())
	if size := d.pool.Cloud.Size; size != int(run.Desired) {
		message += fmt.Sprintf(": the pool is left at a size of %d instead of %d", size, run.Desired)
	}
	if len(d.report.Blocked) > 0 {
		b := d.report.Blocked[0]
		message += fmt.Sprintf("; %s: %s: %s", b.Node, b.Reason, b.Message)
	}
	d.steps = nil
	d.finishAs(run, end.outcome, message)
}

// elsewhere ends a run whose Pool has come to stand for another node pool, since the one
// that it names was deleted and made again, and says whether that is so. It is ended as it
// is: the sizes and the releases on record are the other pool's, and so were the nodes that
// a turn-over was asked for.
func (d *decision) elsewhere(run *v1alpha1.CycleStatus) bool {
	if run.NodePoolID == "" || run.NodePoolID == string(d.pool.Cloud.ID) {
		return false
	}
	d.finishAs(run, Aborted, fmt.Sprintf("the Pool stands for node pool %s now; the run was about %s", d.pool.Cloud.ID, run.NodePoolID))
	d.report.Last.Previous = nil
	if value, ok := cycleValue(run.Request); ok {
		d.report.Last.CycleSeen = value
	}
	return true
}

// ends is nil while the run is wanted. What it has cordoned is given back before
// it ends, and nodes of its own beyond the pool's size go.
func (d *decision) ends(run *v1alpha1.CycleStatus) *ending {
	taken := func(how string) *ending {
		return &ending{Aborted, how + " after " + several(run.Replaced, "node", "was", "were") + " replaced"}
	}
	if v := d.annotation(v1alpha1.AnnotationAbort); v != "" && v != run.AbortSeen {
		return taken("aborted by annotation " + v1alpha1.AnnotationAbort + "=" + v)
	}
	if single(run) {
		return nil // such a run ends when no node asks any more
	}
	if message := cmp.Or(d.refusedStep(run), d.renewedInVain(run), d.notSetAgain(run)); message != "" {
		return &ending{Refused, message}
	}
	key, _, _ := strings.Cut(run.Request, "=")
	_, there := d.pool.Object.Annotations[key]
	auto := key+"=" == driftRequest
	switch spec := d.pool.CycleSpec(); {
	case spec == nil, auto && spec.Mode != v1alpha1.CycleAuto, !auto && !there:
		return taken("the request was taken back")
	case d.nobodySets(run):
		return taken("the pool has " + d.pool.Cloud.Release.Kubernetes + " and annotation " + key + " asks for another version now: the run ended")
	}
	return nil
}

func (d *decision) annotation(key string) string { return d.pool.Object.Annotations[key] }

// stopped is whether the request was ended by an abort that still stands, or
// refused: only a new one is looked at.
func (d *decision) stopped(request string) bool {
	if d.pool.Seen(request) {
		return true
	}
	last, auto := d.pool.Object.Status.LastCycle, strings.HasPrefix(request, driftRequest)
	if auto && last != nil && slices.Contains(last.Seen, d.refusedKey(request)) {
		return true
	}
	if last == nil || last.Request != request {
		return false
	}
	return last.Outcome == Refused && !auto || last.Outcome == Aborted && last.AbortSeen != "" && last.AbortSeen == d.annotation(v1alpha1.AnnotationAbort)
}

// Refusal is a step that the cloud will never carry out for a pool, in its own
// words.
type Refusal struct {
	Kind    Kind
	Message string
	// Request is what the step was for; "" where the step has none.
	Request string
}

// refusal is the cloud's answer to a kind of step, "" if it never refused one.
func (d *decision) refusal(k Kind) string {
	for _, r := range d.policy.Refusals[d.pool.Cloud.ID] {
		if r.Kind == k {
			return r.Message
		}
	}
	return ""
}

// releaseRefused is why the cloud does not give the pool the release that the request is
// about, "" if it has not said so. What it said of another request's counts for that.
func (d *decision) releaseRefused(request string) string {
	for _, r := range d.policy.Refusals[d.pool.Cloud.ID] {
		if r.Kind == SetRelease && (r.Request == request || r.Request == "") {
			return r.Message
		}
	}
	return ""
}

// refusedStep is the refusal of what the run's strategy is made of.
func (d *decision) refusedStep(run *v1alpha1.CycleStatus) string {
	switch strategyOf(nil, run) {
	case v1alpha1.StrategyBootVolume:
		return d.refusal(ReplaceBootVolume)
	case v1alpha1.StrategyDelegate:
		return d.refusal(Delegate)
	}
	return ""
}

// rollback is the request to turn back; pending while the pool does not have the
// earlier release yet.
func (d *decision) rollback() (request string, pending bool) {
	value, ok := d.pool.Object.Annotations[v1alpha1.AnnotationRollback]
	request = v1alpha1.AnnotationRollback + "=" + value
	if !ok || d.pool.Answered(v1alpha1.AnnotationRollback, value) || d.stopped(request) {
		return "", false
	}
	run, last := d.pool.Run(), d.pool.Object.Status.LastCycle
	if run != nil && run.Request == request {
		return request, false
	}
	var to *v1alpha1.ReleaseStatus
	switch {
	case run != nil && run.Previous != nil:
		to = run.Previous
	case run == nil && last != nil:
		to = last.Previous
	}
	if to == nil {
		d.refuse(request, NothingToRollBack, "there is no run on record that changed the pool's release")
		return "", false
	}
	return d.turnTo(request, cloudprovider.Release{Kubernetes: to.Kubernetes, Image: to.Image, ImageName: to.ImageName})
}

// turnTo gives the pool a release before the run for it begins.
func (d *decision) turnTo(request string, to cloudprovider.Release) (string, bool) {
	if d.checked(request) == "" {
		return "", false
	}
	if have := d.pool.Cloud.Release; have.Kubernetes == to.Kubernetes && (to.Image == "" || have.Image == to.Image) {
		return request, false
	}
	if message := d.releaseRefused(request); message != "" {
		d.refuse(request, ReleaseRefused, message)
		return "", false
	}
	if d.s.ControlPlane != "" {
		if message := skew(to.Kubernetes, d.s.ControlPlane); message != "" {
			d.refuse(request, VersionSkew, message)
			return "", false
		}
	}
	d.do(Step{Kind: SetRelease, Release: &to, Request: request})
	return "", true
}

// previous is the release that most of the nodes to be replaced run; nil if none
// of them tells.
func previous(todo []stale) *v1alpha1.ReleaseStatus {
	count := map[cloudprovider.Release]int{}
	for _, n := range todo {
		if n.Instance != nil && n.Instance.Release.Kubernetes != "" {
			count[n.Instance.Release]++
		}
	}
	var best *cloudprovider.Release
	for r, n := range count {
		if best == nil || n > count[*best] || n == count[*best] && r.String()+r.Image < best.String()+best.Image {
			best = &r
		}
	}
	if best == nil {
		return nil
	}
	return &v1alpha1.ReleaseStatus{Kubernetes: best.Kubernetes, Image: best.Image, ImageName: best.ImageName}
}

// Sizing is what the shell knows of a pool's size.
type Sizing struct {
	// Expected is the size that this process's own writes have led to.
	Expected int
	// More and Fewer are how far the cloud's answer may be from it for a while: a
	// deletion shows late, and one that another process has ordered shows at all.
	More, Fewer int
	// AtMost and AtLeast are whether Expected is no more than a bound, from the run's
	// record: this process has not ordered a size yet, or does not know what became of
	// its order.
	AtMost, AtLeast bool
	// Slack is how much smaller than Expected the size may be, for what was ordered
	// before this process knew it and did not show then.
	Slack int
}

// adopt takes over a size that somebody else has set in mid-run: what was typed
// into a console is what is wanted when the run is over. It is looked for before
// anything else, also in a pause and when a newer request comes: whoever decides
// later would take the difference for the run's own surge.
func (d *decision) adopt(run *v1alpha1.CycleStatus) {
	s, known := d.policy.Sizes[d.pool.Cloud.ID]
	size := d.pool.Cloud.Size
	if !known || size-s.Expected <= s.More && s.Expected-size <= s.Fewer {
		return
	}
	was := fmt.Sprint(s.Expected)
	switch {
	case s.AtMost:
		was += " at most"
	case s.AtLeast:
		was += " at least"
	}
	d.do(Step{Kind: AdoptSize, From: int(run.Desired), To: size, Message: fmt.Sprintf("its size was %s and somebody has set it to %d", was, size)})
	run.Desired = int32(size)
	reach(run, size)
	if run.Least > 0 {
		run.Least = min(run.Least, int32(size))
	}
	d.report.Desired = size
}

// doubtful is whether the pool is larger than the run's own writes have made it, by
// no more than deletions that may not show yet. Until that is clear, no machine
// goes for being one too many: it may be one that somebody has asked for.
func (d *decision) doubtful() bool {
	s, known := d.policy.Sizes[d.pool.Cloud.ID]
	by := d.pool.Cloud.Size - s.Expected
	return known && by > 0 && by <= s.More
}

// broughtBack is whether the node was given a new boot volume in the run.
func broughtBack(n *world.Node, run *v1alpha1.CycleStatus) bool {
	at := renewed(n)
	return !at.IsZero() && !at.Before(run.StartedAt.Time)
}

// renewed is when the node was given a new boot volume last; the zero time if it never
// was.
func renewed(n *world.Node) time.Time {
	if n.Object == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, n.Object.Annotations[v1alpha1.AnnotationRenewed])
	if err != nil {
		return time.Time{}
	}
	return at
}

// installed is since when there is what runs on the node: since its machine was made,
// or got a new boot volume. A time that has not come yet is not ours.
func (d *decision) installed(n *world.Node) time.Time {
	if at := renewed(n); at.After(n.Created()) && !at.After(d.s.Now) {
		return at
	}
	return n.Created()
}
