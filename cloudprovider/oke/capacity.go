package oke

import (
	"context"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

var _ cloudprovider.CapacityReporter = (*Provider)(nil)

// Capacity implements [cloudprovider.CapacityReporter]. It costs the look and one
// report per placement. Compute answers for the root compartment only, so that
// it needs a right in the tenancy that nothing else here does: without it the
// error is ErrUnauthorized or ErrNotFound, and a caller goes on without.
//
// A placement whose fault domains the pool does not choose is asked about as a
// whole. A reservation or a host group has room of its own, of which the report
// tells nothing: such a placement is left out.
func (p *Provider) Capacity(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Capacity, error) {
	l, err := p.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("report capacity of node pool %s: %w", id, err)
	}
	tenancy, err := p.who.config.TenancyOCID()
	if err != nil || tenancy == "" {
		return nil, fmt.Errorf("report capacity of node pool %s: %w: the tenancy of %s is not known", id, cloudprovider.ErrNotSupported, p.who.who)
	}
	if l.pool.NodeConfigDetails == nil {
		return nil, nil
	}
	var list []cloudprovider.Capacity
	for _, place := range l.pool.NodeConfigDetails.PlacementConfigs {
		if place.CapacityReservationId != nil || place.HostGroupId != nil {
			continue
		}
		answers, err := p.report(ctx, tenancy, place.AvailabilityDomain, questions(l.pool, place.FaultDomains))
		if err != nil {
			return nil, fmt.Errorf("report capacity of node pool %s in %s: %w", id, str(place.AvailabilityDomain), err)
		}
		for _, a := range answers {
			list = append(list, capacityOf(zone(str(place.AvailabilityDomain)), a))
		}
	}
	return list, nil
}

// questions are one for each fault domain that the pool chooses, or one for the
// whole of the availability domain.
func questions(pool containerengine.NodePool, domains []string) []core.CreateCapacityReportShapeAvailabilityDetails {
	ask := core.CreateCapacityReportShapeAvailabilityDetails{InstanceShape: pool.NodeShape}
	if c := pool.NodeShapeConfig; c != nil {
		ask.InstanceShapeConfig = &core.CapacityReportInstanceShapeConfig{Ocpus: c.Ocpus, MemoryInGBs: c.MemoryInGBs}
	}
	if len(domains) == 0 {
		return []core.CreateCapacityReportShapeAvailabilityDetails{ask}
	}
	var list []core.CreateCapacityReportShapeAvailabilityDetails
	for _, fd := range domains {
		ask.FaultDomain = common.String(fd)
		list = append(list, ask)
	}
	return list
}

// report is a question by POST: it changes nothing, and is tried again like a read.
func (p *Provider) report(ctx context.Context, tenancy string, ad *string, ask []core.CreateCapacityReportShapeAvailabilityDetails) ([]core.CapacityReportShapeAvailability, error) {
	r, err := call(ctx, p, p.readPolicy, "CreateComputeCapacityReport", func(ctx context.Context) (core.CreateComputeCapacityReportResponse, error) {
		return p.compute.CreateComputeCapacityReport(ctx, core.CreateComputeCapacityReportRequest{
			CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{CompartmentId: &tenancy, AvailabilityDomain: ad, ShapeAvailabilities: ask},
		})
	})
	return r.ShapeAvailabilities, err
}

func capacityOf(z cloudprovider.Zone, a core.CapacityReportShapeAvailability) cloudprovider.Capacity {
	c := cloudprovider.Capacity{Zone: z, FaultDomain: str(a.FaultDomain)}
	if a.AvailableCount != nil {
		n := int(*a.AvailableCount)
		c.Available = &n
	}
	if a.AvailabilityStatus != core.CapacityReportShapeAvailabilityAvailabilityStatusAvailable {
		code := string(a.AvailabilityStatus)
		c.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: code,
			Message: strings.TrimSpace(fmt.Sprintf("Compute reports %s for %s in %s %s", code, str(a.InstanceShape), z, c.FaultDomain))}
	}
	return c
}
