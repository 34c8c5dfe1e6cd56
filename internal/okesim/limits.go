package okesim

import (
	"math"
	"slices"
)

// The Limits service: what a tenancy may have at most, of which tidemill asks one number before it grows a pool.

type limitValue struct {
	Name  string `json:"name"`
	Scope string `json:"scopeType"`
	AD    string `json:"availabilityDomain,omitempty"`
	Value int64  `json:"value"`
}

// noLimit is what the service states where nobody has set a limit.
const noLimit = 100000

func (s *Sim) coreLimit(name, ad string) int64 {
	if n, ok := s.cores[limitKey{name, ad}]; ok {
		return int64(n)
	}
	return noLimit
}

func (s *Sim) serveListLimitValues(c *call) (*answer, error) {
	if err := s.rootCompartment(c); err != nil {
		return nil, err
	}
	if c.query("serviceName") != "compute" {
		return nil, errNotFound("service", c.query("serviceName"))
	}
	var all []limitValue
	for _, sh := range shapes {
		for _, ad := range s.availabilityDomains() {
			v := limitValue{sh.QuotaName, "AD", ad, s.coreLimit(sh.QuotaName, ad)}
			if !slices.Contains(all, v) && (c.query("name") == "" || c.query("name") == v.Name) &&
				(c.query("availabilityDomain") == "" || c.query("availabilityDomain") == ad) {
				all = append(all, v)
			}
		}
	}
	return list(s, c, all, func(v limitValue) string { return v.Name + v.AD }, func(v limitValue) limitValue { return v })
}

func (s *Sim) serveGetResourceAvailability(c *call) (*answer, error) {
	if err := s.rootCompartment(c); err != nil {
		return nil, err
	}
	name, ad := c.PathValue("limit"), c.query("availabilityDomain")
	if c.PathValue("service") != "compute" || !knownLimit(name) {
		return nil, errNotFound("limit", name)
	}
	if ad == "" {
		return nil, errMissing("availabilityDomain, as " + name + " is a limit per availability domain,")
	}
	if err := s.findAD(ad); err != nil {
		return nil, err
	}
	used := s.unitsUsed(name, ad)
	left := max(0, float32(s.coreLimit(name, ad))-used)
	return ok(map[string]any{"used": int64(math.Ceil(float64(used))), "available": int64(left), "fractionalUsage": used, "fractionalAvailability": left}), nil
}

// rootCompartment refuses any compartment but the tenancy: limits are the tenancy's.
func (s *Sim) rootCompartment(c *call) error {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return err
	}
	if c.query("compartmentId") != s.Tenancy() {
		return errInvalid("compartmentId must be the root compartment (the tenancy)")
	}
	return nil
}
