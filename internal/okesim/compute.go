package okesim

import (
	"net/http"
	"slices"
	"time"
)

type wireInstance struct {
	ID                    string            `json:"id"`
	Name                  string            `json:"displayName"`
	CompartmentID         string            `json:"compartmentId"`
	Region                string            `json:"region"`
	AD                    string            `json:"availabilityDomain"`
	FaultDomain           string            `json:"faultDomain"`
	Shape                 string            `json:"shape"`
	ShapeConfig           wireInstanceShape `json:"shapeConfig"`
	State                 string            `json:"lifecycleState"`
	Created               string            `json:"timeCreated"`
	ImageID               string            `json:"imageId"`
	Source                wireSource        `json:"sourceDetails"`
	Metadata              map[string]string `json:"metadata"`
	FreeformTags          map[string]string `json:"freeformTags"`
	CapacityReservationID string            `json:"capacityReservationId,omitempty"`
	MaintenanceRebootDue  string            `json:"timeMaintenanceRebootDue,omitempty"`
	Preemptible           *wirePreemptibles `json:"preemptibleInstanceConfig,omitempty"`
}

type wireInstanceShape struct {
	OCPUs     float32 `json:"ocpus"`
	MemoryGB  float32 `json:"memoryInGBs"`
	VCPUs     int     `json:"vcpus"`
	GPUs      int     `json:"gpus"`
	GPU       string  `json:"gpuDescription,omitempty"`
	Processor string  `json:"processorDescription"`
	MaxVNICs  int     `json:"maxVnicAttachments"`
	Gbps      float32 `json:"networkingBandwidthInGbps"`
}

func (s *Sim) wireInstance(i *instance) wireInstance {
	sh, _ := findShape(i.Shape) // an instance has no unknown shape
	gbps := sh.Gbps
	if sh.Flexible {
		gbps = min(gbps, sh.GbpsPerOCPU*i.OCPUs)
	}
	w := wireInstance{ID: i.ID, Name: i.Name, CompartmentID: i.CompartmentID, Region: s.regionKey(), AD: i.AvailabilityDomain, FaultDomain: i.FaultDomain,
		Shape: i.Shape, State: i.State, Created: wireTime(i.Created), ImageID: i.ImageID,
		Source:   wireSource{SourceType: "image", ImageID: i.ImageID, BootVolumeGB: i.BootVolumeGB},
		Metadata: i.Metadata, FreeformTags: i.tags, CapacityReservationID: i.place.CapacityReservationID, MaintenanceRebootDue: wireTime(s.toldDue(i)),
		ShapeConfig: wireInstanceShape{OCPUs: i.OCPUs, MemoryGB: i.MemoryGB, VCPUs: int(i.OCPUs * float32(sh.VCPUsPerOCPU)), GPUs: sh.GPUs, GPU: sh.GPU,
			Processor: sh.Processor, MaxVNICs: sh.vnics(i.OCPUs), Gbps: gbps}}
	if i.Preemptible {
		w.Preemptible = &wirePreemptibles{}
		w.Preemptible.Action.Type = "TERMINATE"
	}
	return w
}

func (s *Sim) serveGetInstance(c *call) (*answer, error) {
	i, err := s.findInstance(c.PathValue("instance"))
	if err != nil {
		return nil, err
	}
	return ok(s.wireInstance(i)).with("etag", etag(i.ID, i.revision)), nil
}

func (s *Sim) serveListInstances(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("lifecycleState", "MOVING", stateProvisioning, stateRunning, stateStarting, stateStopping, stateStopped, "CREATING_IMAGE", stateTerminating, stateTerminated)
	if err != nil {
		return nil, err
	}
	s.forget()
	all := filter(s.instances, func(i *instance) bool {
		return i.CompartmentID == c.query("compartmentId") && (c.query("displayName") == "" || c.query("displayName") == i.Name) &&
			(c.query("availabilityDomain") == "" || c.query("availabilityDomain") == i.AvailabilityDomain) &&
			(len(states) == 0 || slices.Contains(states, i.State))
	})
	all, err = sorted(c, all, []string{"TIMECREATED", "DISPLAYNAME"}, map[string]func(a, b *instance) int{
		"TIMECREATED": func(a, b *instance) int { return a.Created.Compare(b.Created) },
		"DISPLAYNAME": ascending(func(i *instance) string { return i.Name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, all, func(i *instance) string { return i.ID }, s.wireInstance)
}

func (s *Sim) serveInstanceAction(c *call) (*answer, error) {
	i, err := s.findInstance(c.PathValue("instance"))
	if err != nil {
		return nil, err
	}
	if err := matchEtag(c.ifMatch(), etag(i.ID, i.revision)); err != nil {
		return nil, err
	}
	if err := s.act(i, c.query("action")); err != nil {
		return nil, err
	}
	return ok(s.wireInstance(i)).with("etag", etag(i.ID, i.revision)), nil
}

// serveTerminateInstance ends an instance behind OKE's back: the pool keeps its size and the node its state.
func (s *Sim) serveTerminateInstance(c *call) (*answer, error) {
	i, err := s.findInstance(c.PathValue("instance"))
	if err != nil {
		return nil, err
	}
	if err := matchEtag(c.ifMatch(), etag(i.ID, i.revision)); err != nil {
		return nil, err
	}
	if i.State == stateTerminating || i.State == stateTerminated {
		return nil, errConflict("instance %s is %s", i.ID, i.State)
	}
	i.set(stateTerminating)
	s.emit(InstanceTerminating, i)
	s.onward(i, stateTerminating, s.opt.Latency.Terminate, func() {
		s.returnHost(i)
		s.lose(i)
	})
	return &answer{status: http.StatusNoContent, header: map[string]string{}}, nil
}

// act does a power action. Stopping takes as long as terminating, starting as long as booting; a reset is both.
func (s *Sim) act(i *instance, action string) error {
	need := stateRunning
	if action == "START" {
		need = stateStopped
	}
	if i.State != need {
		return errIncorrectState("instance %s is %s: %s needs %s", i.ID, i.State, action, need)
	}
	switch action {
	case "STOP", "SOFTSTOP":
		s.stop(i, func() {})
	case "RESET", "SOFTRESET", "DIAGNOSTICREBOOT", "REBOOTMIGRATE":
		s.stop(i, func() { s.start(i, func() {}) })
	case "START":
		s.start(i, func() {})
	case "SENDDIAGNOSTICINTERRUPT":
	default:
		return errInvalid("action %q is not known", action)
	}
	return nil
}

func (s *Sim) stop(i *instance, then func()) {
	i.set(stateStopping)
	s.emit(InstanceStopped, i)
	s.onward(i, stateStopping, s.opt.Latency.Terminate, func() {
		i.set(stateStopped)
		i.leavesHost()
		then()
	})
}

func (s *Sim) start(i *instance, then func()) {
	i.set(stateStarting)
	s.onward(i, stateStarting, s.opt.Latency.Boot, func() {
		i.set(stateRunning)
		i.Boots++
		s.emit(InstanceStarted, i)
		then()
	})
}

// onward runs do after d, unless something else has happened to the instance by then.
func (s *Sim) onward(i *instance, in string, d time.Duration, do func()) {
	s.stage(d, func() {
		if i.State == in {
			do()
		}
	})
}
