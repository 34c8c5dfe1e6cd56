package externalgrpc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Generation is how old a client is, as far as its options tell.
type Generation int

const (
	// GenerationUnknown sent no options to tell by.
	GenerationUnknown Generation = iota
	// GenerationInlined is up to 1.33: durations as Kubernetes' own messages.
	GenerationInlined
	// GenerationBoth is 1.34: both forms.
	GenerationBoth
	// GenerationTrap is 1.35 and 1.36: any answer to GetOptions makes them take
	// max-node-startup-time for 0, and nodes that boot for broken ones.
	GenerationTrap
	// GenerationMended sends max-node-startup-time too.
	GenerationMended
)

var generationNames = [...]string{"unknown", "up to 1.33", "1.34", "1.35 or 1.36", "with max-node-startup-time"}

// String names the releases.
func (g Generation) String() string {
	if g < 0 || int(g) >= len(generationNames) {
		return "unknown"
	}
	return generationNames[g]
}

// generationOf reads the generation off the options a client sends.
func generationOf(o *wire.NodeGroupAutoscalingOptions) Generation {
	inlined := o.GetLegacyScaleDownUnneeded() != nil || o.GetLegacyScaleDownUnready() != nil || o.GetLegacyMaxNodeProvision() != nil
	modern := o.GetScaleDownUnneeded() != nil || o.GetScaleDownUnready() != nil || o.GetMaxNodeProvision() != nil
	switch {
	case o.GetMaxNodeStartup() != nil:
		return GenerationMended
	case inlined && modern:
		return GenerationBoth
	case inlined:
		return GenerationInlined
	case modern:
		return GenerationTrap
	}
	return GenerationUnknown
}

// override changes some of a client's options for one group; what is nil stays
// as the client has it.
type override struct {
	utilization, gpuUtilization    *float64
	unneeded, unready, provision   *time.Duration
	zeroOrMax, ignoreDaemonSetPods *bool
}

func (o override) empty() bool { return o == override{} }

// optionTag begins the tags of a pool that override an option, as proposed
// upstream; the rest is the option's name in lower case.
const optionTag = "cluster-autoscaler/node-template/autoscaling-options/"

// overrideOf reads the overrides of a pool: its tags, then its Pool object. A
// tag that cannot be read changes nothing.
func overrideOf(tags map[string]string, object *poolObject) override {
	var o override
	for key, value := range tags {
		if name, ok := strings.CutPrefix(key, optionTag); ok {
			o.set(name, value)
		}
	}
	if object != nil && object.down != nil {
		if d := object.down.UnneededFor; d != nil {
			o.unneeded = &d.Duration
		}
		if u := object.down.UtilizationPercent; u != nil {
			share := float64(*u) / 100
			o.utilization = &share
		}
	}
	return o
}

func (o *override) set(name, value string) {
	number, isNumber := strconv.ParseFloat(value, 64)
	yes, isBool := strconv.ParseBool(value)
	wait, isWait := time.ParseDuration(value)
	share := isNumber == nil && number >= 0 && number <= 1
	switch {
	case name == "scaledownutilizationthreshold" && share:
		o.utilization = &number
	case name == "scaledowngpuutilizationthreshold" && share:
		o.gpuUtilization = &number
	case name == "scaledownunneededtime" && isWait == nil && wait >= 0:
		o.unneeded = &wait
	case name == "scaledownunreadytime" && isWait == nil && wait >= 0:
		o.unready = &wait
	case name == "maxnodeprovisiontime" && isWait == nil && wait > 0:
		o.provision = &wait
	case name == "zeroormaxnodescaling" && isBool == nil:
		o.zeroOrMax = &yes
	case name == "ignoredaemonsetsutilization" && isBool == nil:
		o.ignoreDaemonSetPods = &yes
	}
}

// NodeGroupGetOptions answers Unimplemented, which means the client's own flags,
// unless an option of the group is really overridden.
func (p *Plugin) NodeGroupGetOptions(_ context.Context, r *wire.NodeGroupAutoscalingOptionsRequest) (*wire.NodeGroupAutoscalingOptionsResponse, error) {
	g, err := p.group(r.GetId())
	if err != nil {
		return nil, err
	}
	client := generationOf(r.GetDefaults())
	if client == GenerationTrap {
		p.warnOnce(client, g)
	}
	answer := "sent"
	switch {
	case g.override.empty() || client == GenerationUnknown:
		answer = "none"
	case client == GenerationTrap:
		answer = "withheld"
	}
	p.metrics.options.WithLabelValues(client.String(), answer).Inc()
	if answer != "sent" {
		return nil, status.Error(codes.Unimplemented, "no options of this group are overridden")
	}
	return &wire.NodeGroupAutoscalingOptionsResponse{Options: g.override.apply(r.GetDefaults())}, nil
}

// warnOnce says what clients of 1.35 and 1.36 miss.
func (p *Plugin) warnOnce(client Generation, g *group) {
	if !p.once(fmt.Sprint("options ", client, g.pool.ID, g.override.empty())) {
		return
	}
	if g.override.empty() {
		p.log.Debug("client cannot be sent options without harm", "client", client.String(), "group", g.pool.Name)
		return
	}
	p.log.Warn("options of this group are withheld: cluster-autoscaler 1.35 and 1.36 would take max-node-startup-time for 0 and nodes that boot for broken ones",
		"client", client.String(), "group", g.pool.Name, "hint", "use 1.34, or a release with kubernetes/autoscaler #10266; or set the flags for all groups")
}

// apply is the client's defaults with the overrides, in each form in which the
// client sent them. The rest is echoed, fields that we do not know included: a
// duration that is left out is a crash in old clients, and 0 in new ones.
func (o override) apply(defaults *wire.NodeGroupAutoscalingOptions) *wire.NodeGroupAutoscalingOptions {
	out := proto.CloneOf(defaults)
	if o.utilization != nil {
		out.ScaleDownUtilizationThreshold = *o.utilization
	}
	if o.gpuUtilization != nil {
		out.ScaleDownGpuUtilizationThreshold = *o.gpuUtilization
	}
	if o.zeroOrMax != nil {
		out.ZeroOrMaxNodeScaling = *o.zeroOrMax
	}
	if o.ignoreDaemonSetPods != nil {
		out.IgnoreDaemonSetsUtilization = *o.ignoreDaemonSetPods
	}
	wasOld := out.LegacyScaleDownUnneeded != nil || out.LegacyScaleDownUnready != nil || out.LegacyMaxNodeProvision != nil
	wasNew := out.ScaleDownUnneeded != nil || out.ScaleDownUnready != nil || out.MaxNodeProvision != nil
	both(&out.LegacyScaleDownUnneeded, &out.ScaleDownUnneeded, o.unneeded, 10*time.Minute, wasOld, wasNew)
	both(&out.LegacyScaleDownUnready, &out.ScaleDownUnready, o.unready, 20*time.Minute, wasOld, wasNew)
	both(&out.LegacyMaxNodeProvision, &out.MaxNodeProvision, o.provision, 15*time.Minute, wasOld, wasNew)
	return out
}

// both sets one duration in its two fields, as far as the client knows them. A
// client that left one of its own out would crash on it, so that it gets what
// the other form says, or the flag's default upstream.
func both(old **wire.LegacyDuration, modern **durationpb.Duration, want *time.Duration, usual time.Duration, wasOld, wasNew bool) {
	value := usual
	switch {
	case want != nil:
		value = *want
	case *modern != nil:
		value = (*modern).AsDuration()
	case *old != nil:
		value = time.Duration((*old).GetDuration())
	}
	if wasOld && (want != nil || *old == nil) {
		*old = &wire.LegacyDuration{Duration: int64(value)}
	}
	if wasNew && (want != nil || *modern == nil) {
		*modern = durationpb.New(value)
	}
}
