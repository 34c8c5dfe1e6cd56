package okesim

import (
	"slices"
	"time"
)

// The catalogue half of Compute: shapes, images, and what could be launched now.

type wireRange struct {
	Min float32 `json:"min"`
	Max float32 `json:"max"`
}

type wireMemoryRange struct {
	Min        float32 `json:"minInGBs"`
	Max        float32 `json:"maxInGBs"`
	Default    float32 `json:"defaultPerOcpuInGBs"`
	MinPerOCPU float32 `json:"minPerOcpuInGBs"`
	MaxPerOCPU float32 `json:"maxPerOcpuInGBs"`
}

type wireVNICRange struct {
	Min     int     `json:"min"`
	Max     float32 `json:"max"`
	PerOCPU float32 `json:"defaultPerOcpu"`
}

type wireBandwidthRange struct {
	Min     float32 `json:"minInGbps"`
	Max     float32 `json:"maxInGbps"`
	PerOCPU float32 `json:"defaultPerOcpuInGbps"`
}

type wireShape struct {
	Shape           string              `json:"shape"`
	Processor       string              `json:"processorDescription"`
	OCPUs           float32             `json:"ocpus"`
	MemoryGB        float32             `json:"memoryInGBs"`
	GPUs            int                 `json:"gpus"`
	GPU             string              `json:"gpuDescription,omitempty"`
	MaxVNICs        int                 `json:"maxVnicAttachments"`
	Gbps            float32             `json:"networkingBandwidthInGbps"`
	LocalDisks      int                 `json:"localDisks"`
	LocalDiskGB     float32             `json:"localDisksTotalSizeInGBs,omitempty"`
	Flexible        bool                `json:"isFlexible"`
	Subcore         bool                `json:"isSubcore"`
	BillingType     string              `json:"billingType"`
	QuotaNames      []string            `json:"quotaNames"`
	OCPUOptions     *wireRange          `json:"ocpuOptions,omitempty"`
	MemoryOptions   *wireMemoryRange    `json:"memoryOptions,omitempty"`
	VNICOptions     *wireVNICRange      `json:"maxVnicAttachmentOptions,omitempty"`
	BandwidthOption *wireBandwidthRange `json:"networkingBandwidthOptions,omitempty"`
}

func wireShapeOf(sh Shape) wireShape {
	w := wireShape{Shape: sh.Name, Processor: sh.Processor, OCPUs: sh.OCPUs, MemoryGB: sh.MemoryGB, GPUs: sh.GPUs, GPU: sh.GPU,
		MaxVNICs: sh.vnics(sh.OCPUs), Gbps: sh.Gbps, LocalDisks: sh.LocalDisks, LocalDiskGB: sh.LocalDiskGB, Flexible: sh.Flexible,
		BillingType: "PAID", QuotaNames: []string{sh.QuotaName}}
	if sh.Flexible {
		w.Gbps = sh.GbpsPerOCPU
		w.OCPUOptions = &wireRange{1, sh.MaxOCPUs}
		w.MemoryOptions = &wireMemoryRange{1, sh.MaxMemoryGB, sh.DefaultMemoryGBPerOCPU, 1, sh.MaxMemoryGBPerOCPU}
		w.VNICOptions = &wireVNICRange{2, float32(sh.MaxVNICs), 1}
		w.BandwidthOption = &wireBandwidthRange{sh.GbpsPerOCPU, sh.Gbps, sh.GbpsPerOCPU}
	}
	return w
}

func (s *Sim) serveListShapes(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	if ad := c.query("availabilityDomain"); ad != "" {
		if err := s.findAD(ad); err != nil {
			return nil, err
		}
	}
	arch := ""
	if id := c.query("imageId"); id != "" {
		i, err := s.findImage(id)
		if err != nil {
			return nil, err
		}
		arch = i.Arch
	}
	all := filter(shapes, func(sh Shape) bool {
		return (arch == "" || sh.Arch == arch) && (c.query("shape") == "" || c.query("shape") == sh.Name)
	})
	return list(s, c, all, func(sh Shape) string { return sh.Name }, wireShapeOf)
}

type wireImage struct {
	ID                 string `json:"id"`
	Name               string `json:"displayName"`
	CompartmentID      string `json:"compartmentId"`
	CreateImageAllowed bool   `json:"createImageAllowed"`
	State              string `json:"lifecycleState"`
	OS                 string `json:"operatingSystem"`
	OSVersion          string `json:"operatingSystemVersion"`
	Created            string `json:"timeCreated"`
	LaunchMode         string `json:"launchMode"`
	SizeMB             int    `json:"sizeInMBs"`
}

func (s *Sim) wireImage(i *Image) wireImage {
	return wireImage{ID: i.ID, Name: i.Name, CompartmentID: s.Tenancy(), CreateImageAllowed: true, State: "AVAILABLE",
		OS: "Oracle Linux", OSVersion: i.OSVersion, Created: wireTime(i.Created), LaunchMode: "NATIVE", SizeMB: 47694}
}

func (s *Sim) serveListImages(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("lifecycleState", "PROVISIONING", "IMPORTING", "AVAILABLE", "EXPORTING", "DISABLED", "DELETED")
	if err != nil {
		return nil, err
	}
	arch := ""
	if name := c.query("shape"); name != "" {
		sh, err := findShape(name)
		if err != nil {
			return nil, err
		}
		arch = sh.Arch
	}
	matches := func(name, value string) bool { return c.query(name) == "" || c.query(name) == value }
	all := filter(s.images, func(i *Image) bool {
		return !i.Retired && (len(states) == 0 || states[0] == "AVAILABLE") && (arch == "" || arch == i.Arch) &&
			matches("displayName", i.Name) && matches("operatingSystem", "Oracle Linux") && matches("operatingSystemVersion", i.OSVersion)
	})
	all, err = sorted(c, all, []string{"TIMECREATED", "DISPLAYNAME"}, map[string]func(a, b *Image) int{
		"TIMECREATED": func(a, b *Image) int { return a.Created.Compare(b.Created) },
		"DISPLAYNAME": ascending(func(i *Image) string { return i.Name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, all, func(i *Image) string { return i.ID }, s.wireImage)
}

func (s *Sim) serveGetImage(c *call) (*answer, error) {
	i, err := s.findImage(c.PathValue("image"))
	if err != nil {
		return nil, err
	}
	return ok(s.wireImage(i)).with("etag", etag(i.ID, 0)), nil
}

// capacityReport is both the question and the answer of CreateComputeCapacityReport.
type capacityReport struct {
	CompartmentID string                  `json:"compartmentId"`
	AD            string                  `json:"availabilityDomain"`
	Shapes        []capacityReportedAbout `json:"shapeAvailabilities"`
	Created       string                  `json:"timeCreated,omitempty"`
}

type capacityReportedAbout struct {
	Shape       string          `json:"instanceShape"`
	FaultDomain string          `json:"faultDomain,omitempty"`
	Config      *capacityConfig `json:"instanceShapeConfig,omitempty"`
	Available   *int            `json:"availableCount,omitempty"`
	Status      string          `json:"availabilityStatus,omitempty"`
}

type capacityConfig struct {
	OCPUs    *float32 `json:"ocpus,omitempty"`
	MemoryGB *float32 `json:"memoryInGBs,omitempty"`
	NVMes    *int     `json:"nvmes,omitempty"`
	Baseline string   `json:"baselineOcpuUtilization,omitempty"`
}

// plenty is what a report counts where capacity is unlimited.
const plenty = 1000

func (s *Sim) serveCreateComputeCapacityReport(c *call) (*answer, error) {
	var report capacityReport
	if err := c.decode(&report); err != nil {
		return nil, err
	}
	if report.CompartmentID != s.Tenancy() {
		return nil, errInvalid("compartmentId must be the root compartment (the tenancy) in a capacity report")
	}
	if err := s.findAD(report.AD); err != nil {
		return nil, err
	}
	if len(report.Shapes) == 0 {
		return nil, errMissing("shapeAvailabilities")
	}
	for i := range report.Shapes {
		if fd := report.Shapes[i].FaultDomain; fd != "" && !slices.Contains(faultDomains, fd) {
			return nil, errInvalid("fault domain %q is not known", fd)
		}
		s.report(&report.Shapes[i], report.AD)
	}
	report.Created = wireTime(time.Now())
	return ok(report), nil
}

func (s *Sim) report(about *capacityReportedAbout, ad string) {
	count := s.hostsLeft(about.Shape, ad, about.FaultDomain)
	about.Status = "AVAILABLE"
	if _, err := findShape(about.Shape); err != nil {
		about.Status, count = "HARDWARE_NOT_SUPPORTED", 0
	} else if count == 0 {
		about.Status = "OUT_OF_HOST_CAPACITY"
	}
	about.Available = &count
}
