package okesim

import (
	"cmp"
	"time"
)

// A Maintenance is what Oracle plans for an instance.
type Maintenance struct {
	Start    time.Time
	HardDue  time.Time // zero: none is stated
	Action   string    // "REBOOT_MIGRATION" if empty; "TERMINATE", "STOP", "NONE"
	Reason   string    // "EVACUATION" if empty
	Category string    // "MANDATORY" if empty
	State    string    // "SCHEDULED" if empty; "STARTED", "PROCESSING", "SUCCEEDED", "FAILED", "CANCELED"
	Text     string    // the event's description
	NoEvent  bool      // the instance's own date is all there is, as for older hosts
}

// ScheduleMaintenance has Oracle announce that it will reboot an instance's host: timeMaintenanceRebootDue of the instance, and a
// maintenance event. A zero time takes it back.
func (s *Sim) ScheduleMaintenance(instance string, due time.Time) error {
	return s.PlanMaintenance(instance, Maintenance{Start: due})
}

// PlanMaintenance announces a maintenance in place of the one that was. Only what reboots the instance and is not over shows as
// timeMaintenanceRebootDue. One without a start takes it back.
func (s *Sim) PlanMaintenance(instance string, m Maintenance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(instance)
	if err != nil {
		return err
	}
	m.Action, m.Reason = cmp.Or(m.Action, "REBOOT_MIGRATION"), cmp.Or(m.Reason, "EVACUATION")
	m.Category, m.State = cmp.Or(m.Category, "MANDATORY"), cmp.Or(m.State, "SCHEDULED")
	i.planned = m
	i.revision++
	return nil
}

// rebootDue is the instance's own date of a reboot; zero for none.
func (i *instance) rebootDue() time.Time {
	over := i.planned.State == "SUCCEEDED" || i.planned.State == "FAILED" || i.planned.State == "CANCELED"
	if i.planned.Action != "REBOOT_MIGRATION" || over {
		return time.Time{}
	}
	return i.planned.Start
}

// leavesHost ends what was announced for the host of an instance that has just been stopped: however that came about, says Compute's API of
// timeMaintenanceRebootDue, the date is empty then, for the instance starts on another one. What ends the instance itself still does.
func (i *instance) leavesHost() {
	if i.planned.Action == "REBOOT_MIGRATION" {
		i.planned = Maintenance{}
	}
}

// Maintain has Oracle do now what it has announced for an instance: a reboot takes the machine down and brings it back after so long, a stop
// leaves it stopped, a termination is as a loss of hardware. OKE does not notice. An instance that does not run is left alone, with an error.
func (s *Sim) Maintain(instance string, takes time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(instance)
	if err != nil {
		return err
	}
	if i.planned.Start.IsZero() || i.State != stateRunning {
		return errIncorrectState("instance %s is %s, and its maintenance cannot begin", i.ID, i.State)
	}
	i.planned.State = "STARTED"
	i.revision++
	switch i.planned.Action {
	case "REBOOT_MIGRATION":
		s.stop(i, func() { s.onward(i, stateStopped, takes, func() { s.start(i, func() {}) }) })
	case "STOP":
		s.stop(i, func() { i.planned = Maintenance{} })
	case "TERMINATE":
		s.lose(i)
	default: // it is moved while it runs
		i.planned = Maintenance{}
	}
	return nil
}

func (s *Sim) serveListMaintenance(c *call) (*answer, error) {
	all, err := s.attached(c)
	if err != nil {
		return nil, err
	}
	all = filter(all, func(i *instance) bool { return !i.planned.Start.IsZero() && !i.planned.NoEvent })
	return list(s, c, all, func(i *instance) string { return i.ID }, func(i *instance) map[string]any {
		m := i.planned
		w := map[string]any{"id": ocid("instancemaintenanceevent", s.regionKey(), i.ID), "instanceId": i.ID, "compartmentId": i.CompartmentID, "maintenanceCategory": m.Category,
			"maintenanceReason": m.Reason, "instanceAction": m.Action, "alternativeResolutionActions": []string{"REBOOT_MIGRATION", "TERMINATE"},
			"timeWindowStart": wireTime(m.Start.Add(s.skew)), "startWindowDuration": "PT2H", "canReschedule": true, "timeCreated": wireTime(i.Created),
			"lifecycleState": m.State, "createdBy": "SYSTEM"}
		if !m.HardDue.IsZero() {
			w["timeHardDueDate"] = wireTime(m.HardDue.Add(s.skew))
		}
		if m.Text != "" {
			w["description"] = m.Text
		}
		return w
	})
}
