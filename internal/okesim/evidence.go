package okesim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// What Compute tells about an instance beside its state: its serial console, its volume, its network cards. What Oracle plans for its host is in maintenance.go.

// consoleHistory is a serial console as it was when it was captured.
type consoleHistory struct {
	id, instance, ad, compartment string
	text                          []byte
	at                            time.Time
	state                         string // REQUESTED, GETTING-HISTORY, SUCCEEDED
}

// SetConsole replaces what an instance has written on its serial console; by default that is a boot log.
func (s *Sim) SetConsole(instance, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(instance)
	if err != nil {
		return err
	}
	i.console = text
	return nil
}

// consoleOf is the text on an instance's console: a boot for each time it has booted, and where the last one ended.
func (i *instance) consoleOf() []byte {
	if i.console != "" {
		return []byte(i.console)
	}
	var text []byte
	for range i.Boots {
		text = fmt.Appendf(text, "[    0.000000] Linux version 5.15.0-313.189.5.3.el8uek (%s)\n[    1.204211] virtio_net virtio0 eth0: link up\n"+
			"[   12.512088] cloud-init[1402]: Cloud-init v. 23.4 running 'modules:final'\n[   30.918270] oke-init[1533]: bootstrapping %s\n", i.Arch, i.KubernetesVersion)
	}
	if i.State == stateRunning {
		text = fmt.Appendf(text, "[   61.003112] kubelet[2011]: Started kubelet %s\n\n%s login: ", i.KubernetesVersion, i.Name)
	}
	return text
}

func (s *Sim) serveCaptureConsoleHistory(c *call) (*answer, error) {
	var ask struct {
		InstanceID string `json:"instanceId"`
		Name       string `json:"displayName"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	i, err := s.findInstance(ask.InstanceID)
	if err != nil {
		return nil, err
	}
	if i.State == stateTerminated {
		return nil, errIncorrectState("instance %s is %s", i.ID, i.State)
	}
	return s.once(c, func() (*answer, error) {
		h := &consoleHistory{id: s.newOCID("consolehistory"), instance: i.ID, ad: i.AvailabilityDomain, compartment: i.CompartmentID, text: i.consoleOf(), at: time.Now(), state: "REQUESTED"}
		s.consoles = append(s.consoles, h)
		s.stage(s.opt.Latency.Accept, func() {
			h.state = "GETTING-HISTORY"
			s.stage(s.opt.Latency.Accept, func() { h.state = "SUCCEEDED" })
		})
		return ok(h.wire()).with("etag", etag(h.id, 0)), nil
	})
}

func (h *consoleHistory) wire() map[string]any {
	return map[string]any{"id": h.id, "instanceId": h.instance, "availabilityDomain": h.ad, "compartmentId": h.compartment, "lifecycleState": h.state, "timeCreated": wireTime(h.at)}
}

func (s *Sim) findConsole(c *call) (*consoleHistory, error) {
	i := slices.IndexFunc(s.consoles, func(h *consoleHistory) bool { return h.id == c.PathValue("history") })
	if i < 0 {
		return nil, errNotFound("console history", c.PathValue("history"))
	}
	return s.consoles[i], nil
}

func (s *Sim) serveListConsoleHistories(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	all := filter(s.consoles, func(h *consoleHistory) bool {
		return h.compartment == c.query("compartmentId") && (c.query("instanceId") == "" || c.query("instanceId") == h.instance)
	})
	return list(s, c, all, func(h *consoleHistory) string { return h.id }, (*consoleHistory).wire)
}

func (s *Sim) serveGetConsoleHistory(c *call) (*answer, error) {
	h, err := s.findConsole(c)
	if err != nil {
		return nil, err
	}
	return ok(h.wire()).with("etag", etag(h.id, 0)), nil
}

// defaultConsole is how much of a console one answer carries unless the caller asks for more, up to a megabyte.
const defaultConsole = 10 << 10

func (s *Sim) serveGetConsoleHistoryContent(c *call) (*answer, error) {
	h, err := s.findConsole(c)
	if err != nil {
		return nil, err
	}
	if h.state != "SUCCEEDED" {
		return nil, errIncorrectState("console history %s is %s", h.id, h.state)
	}
	number := func(name string, def int) int {
		n, err := strconv.Atoi(c.query(name))
		if err != nil || n < 0 {
			return def
		}
		return n
	}
	start := min(number("offset", 0), len(h.text))
	end := min(start+min(number("length", defaultConsole), 1<<20), len(h.text))
	a := ok(append([]byte{}, h.text[start:end]...)).with("Content-Type", "text/plain")
	return a.with("opc-bytes-remaining", strconv.Itoa(len(h.text)-end)), nil
}

func (s *Sim) serveDeleteConsoleHistory(c *call) (*answer, error) {
	h, err := s.findConsole(c)
	if err != nil {
		return nil, err
	}
	s.consoles = slices.DeleteFunc(s.consoles, func(other *consoleHistory) bool { return other == h })
	return &answer{status: http.StatusNoContent, header: map[string]string{}}, nil
}

// attached filters the live instances as the attachment lists do.
func (s *Sim) attached(c *call) ([]*instance, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	return filter(s.instances, func(i *instance) bool {
		return i.State != stateTerminated && i.CompartmentID == c.query("compartmentId") && (c.query("instanceId") == "" || c.query("instanceId") == i.ID) &&
			(c.query("availabilityDomain") == "" || c.query("availabilityDomain") == i.AvailabilityDomain)
	}), nil
}

func (s *Sim) serveListBootVolumeAttachments(c *call) (*answer, error) {
	all, err := s.attached(c)
	if err != nil {
		return nil, err
	}
	all = filter(all, func(i *instance) bool {
		return c.query("bootVolumeId") == "" || c.query("bootVolumeId") == i.bootVolume
	})
	return list(s, c, all, func(i *instance) string { return i.ID }, func(i *instance) map[string]any {
		return map[string]any{"id": ocid("bootvolumeattachment", s.regionKey(), i.ID), "bootVolumeId": i.bootVolume, "instanceId": i.ID, "compartmentId": i.CompartmentID,
			"availabilityDomain": i.AvailabilityDomain, "lifecycleState": "ATTACHED", "timeCreated": wireTime(i.Created)}
	})
}

func (s *Sim) serveGetBootVolume(c *call) (*answer, error) {
	at := slices.IndexFunc(s.instances, func(i *instance) bool { return i.bootVolume == c.PathValue("volume") && i.State != stateTerminated })
	if at < 0 {
		return nil, errNotFound("boot volume", c.PathValue("volume"))
	}
	i := s.instances[at]
	return ok(map[string]any{"id": i.bootVolume, "displayName": i.Name + " (Boot Volume)", "compartmentId": i.CompartmentID, "availabilityDomain": i.AvailabilityDomain,
		"imageId": i.ImageID, "sizeInGBs": i.BootVolumeGB, "sizeInMBs": i.BootVolumeGB << 10, "vpusPerGB": 10, "lifecycleState": "AVAILABLE",
		"timeCreated": wireTime(i.Created)}).with("etag", etag(i.bootVolume, 0)), nil
}

// ownedVNIC is a card with its instance.
type ownedVNIC struct {
	vnic
	owner *instance
}

func (s *Sim) serveListVnicAttachments(c *call) (*answer, error) {
	instances, err := s.attached(c)
	if err != nil {
		return nil, err
	}
	var all []ownedVNIC
	for _, i := range instances {
		for _, v := range s.vnicsOf(i) {
			all = append(all, ownedVNIC{v, i})
		}
	}
	return list(s, c, all, func(v ownedVNIC) string { return v.id }, func(v ownedVNIC) map[string]any {
		return map[string]any{"id": ocid("vnicattachment", s.regionKey(), v.id), "vnicId": v.id, "instanceId": v.owner.ID, "compartmentId": v.owner.CompartmentID, "subnetId": v.owner.SubnetID,
			"availabilityDomain": v.owner.AvailabilityDomain, "lifecycleState": "ATTACHED", "timeCreated": wireTime(v.owner.Created), "vlanTag": v.vlan, "nicIndex": 0}
	})
}

func (s *Sim) serveGetVnic(c *call) (*answer, error) {
	for _, i := range s.instances {
		for _, v := range s.vnicsOf(i) {
			if v.id == c.PathValue("vnic") && i.State != stateTerminated {
				return ok(map[string]any{"id": v.id, "compartmentId": i.CompartmentID, "availabilityDomain": i.AvailabilityDomain, "subnetId": i.SubnetID, "privateIp": v.ip,
					"macAddress": v.mac, "isPrimary": v.primary, "lifecycleState": "AVAILABLE", "timeCreated": wireTime(i.Created)}).with("etag", etag(v.id, 0)), nil
			}
		}
	}
	return nil, errNotFound("vnic", c.PathValue("vnic"))
}
