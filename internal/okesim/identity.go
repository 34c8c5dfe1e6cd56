package okesim

import (
	"slices"
	"strings"
)

// faultDomains are the fault domains of every availability domain.
var faultDomains = []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}

// availabilityDomains are the region's three, "Uocm:US-ASHBURN-AD-1" and so on: a prefix of the tenancy, then the region without its number.
func (s *Sim) availabilityDomains() []string {
	region := s.opt.Region
	if i := strings.LastIndex(region, "-"); i > 0 {
		region = region[:i]
	}
	prefix := "Uocm:" + strings.ToUpper(region) + "-AD-"
	return []string{prefix + "1", prefix + "2", prefix + "3"}
}

func (s *Sim) findAD(name string) error {
	if !slices.Contains(s.availabilityDomains(), name) {
		return errInvalid("availability domain %q is not known", name)
	}
	return nil
}

// AvailabilityDomains returns the names of the region's availability domains.
func (s *Sim) AvailabilityDomains() []string { return s.availabilityDomains() }

type wireAD struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	CompartmentID string `json:"compartmentId"`
}

type wireFD struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	CompartmentID      string `json:"compartmentId"`
	AvailabilityDomain string `json:"availabilityDomain"`
}

func (s *Sim) serveListAvailabilityDomains(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	var all []wireAD
	for _, name := range s.availabilityDomains() {
		all = append(all, wireAD{ID: ocid("availabilitydomain", s.regionKey(), name), Name: name, CompartmentID: s.Tenancy()})
	}
	return ok(all), nil
}

func (s *Sim) serveListFaultDomains(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	ad := c.query("availabilityDomain")
	if err := s.findAD(ad); err != nil {
		return nil, err
	}
	var all []wireFD
	for _, name := range faultDomains {
		all = append(all, wireFD{ID: ocid("faultdomain", s.regionKey(), ad+name), Name: name, CompartmentID: s.Tenancy(), AvailabilityDomain: ad})
	}
	return ok(all), nil
}
