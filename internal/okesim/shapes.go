package okesim

// A Shape is a kind of compute host. For a flexible one OCPUs and MemoryGB are what an instance gets that names none.
type Shape struct {
	Name                   string
	Arch                   string // "amd64" or "arm64"; the API has no such field
	Processor              string
	OCPUs                  float32
	MemoryGB               float32
	VCPUsPerOCPU           int // 2, but 1 on Ampere A1
	GPUs                   int
	GPU                    string
	MaxVNICs               int     // for a flexible shape: the most at any size
	GbpsPerOCPU            float32 // flexible shapes
	Gbps                   float32 // the most
	LocalDisks             int
	LocalDiskGB            float32
	Flexible               bool
	MaxOCPUs               float32 // flexible shapes; the least is 1
	MaxMemoryGB            float32
	MaxMemoryGBPerOCPU     float32
	DefaultMemoryGBPerOCPU float32
	QuotaName              string
}

// shapes is what the region offers. Figures are Oracle's published ones, as far as a pool can observe them.
var shapes = []Shape{
	flex("VM.Standard.E4.Flex", "2.55 GHz AMD EPYC 7J13 (Milan)", 64, 1024, 16, 40, "standard-e4-core-count"),
	flex("VM.Standard.E5.Flex", "2.4 GHz AMD EPYC 9J14 (Genoa)", 94, 1049, 16, 40, "standard-e5-core-count"),
	flex("VM.Standard.E6.Flex", "2.7 GHz AMD EPYC 9J45 (Turin)", 126, 1454, 16, 99, "standard-e6-core-count"),
	flex("VM.Standard3.Flex", "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", 32, 512, 16, 32, "standard3-core-count"),
	arm("VM.Standard.A1.Flex", "3.0 GHz Ampere Altra", 1, 80, 512, 40, "standard-a1-core-count"),
	arm("VM.Standard.A2.Flex", "3.0 GHz AmpereOne", 2, 78, 946, 78, "standard-a2-core-count"),
	fixed("VM.Standard2.2", "2.0 GHz Intel Xeon Platinum 8167M (Skylake)", 2, 30, 2, 2, "standard2-core-count"),
	gpu("VM.GPU.A10.1", "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", 15, 240, 1, "NVIDIA A10", 15, 24, "gpu-a10-count"),
	gpu("VM.GPU.A10.2", "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", 30, 480, 2, "NVIDIA A10", 24, 48, "gpu-a10-count"),
	withDisks(gpu("BM.GPU.A100-v2.8", "2.55 GHz AMD EPYC 7J13 (Milan)", 128, 2048, 8, "NVIDIA A100 80GB", 256, 100, "gpu-a100-v2-count"), 4, 27200),
	withDisks(gpu("BM.GPU.H100.8", "2.0 GHz Intel Xeon Platinum 8480+ (Sapphire Rapids)", 112, 2048, 8, "NVIDIA H100 80GB", 256, 100, "gpu-h100-count"), 16, 61440),
	fixed("BM.Standard.E5.192", "2.4 GHz AMD EPYC 9J14 (Genoa)", 192, 2304, 256, 100, "standard-e5-core-count"),
}

func flex(name, cpu string, maxOCPUs, maxGB, defaultGB, gbps float32, quota string) Shape {
	return Shape{Name: name, Arch: "amd64", Processor: cpu, OCPUs: 1, MemoryGB: defaultGB, VCPUsPerOCPU: 2, MaxVNICs: 24, GbpsPerOCPU: 1, Gbps: gbps,
		Flexible: true, MaxOCPUs: maxOCPUs, MaxMemoryGB: maxGB, MaxMemoryGBPerOCPU: 64, DefaultMemoryGBPerOCPU: defaultGB, QuotaName: quota}
}

func arm(name, cpu string, vcpus int, maxOCPUs, maxGB, gbps float32, quota string) Shape {
	s := flex(name, cpu, maxOCPUs, maxGB, 6, gbps, quota)
	s.Arch, s.VCPUsPerOCPU = "arm64", vcpus
	return s
}

func fixed(name, cpu string, ocpus, gb float32, vnics int, gbps float32, quota string) Shape {
	return Shape{Name: name, Arch: "amd64", Processor: cpu, OCPUs: ocpus, MemoryGB: gb, VCPUsPerOCPU: 2, MaxVNICs: vnics, Gbps: gbps, QuotaName: quota}
}

func gpu(name, cpu string, ocpus, gb float32, gpus int, model string, vnics int, gbps float32, quota string) Shape {
	s := fixed(name, cpu, ocpus, gb, vnics, gbps, quota)
	s.GPUs, s.GPU = gpus, model
	return s
}

func withDisks(s Shape, n int, totalGB float32) Shape {
	s.LocalDisks, s.LocalDiskGB = n, totalGB
	return s
}

func findShape(name string) (Shape, error) {
	for _, s := range shapes {
		if s.Name == name {
			return s, nil
		}
	}
	return Shape{}, errInvalid("shape %q is not known", name)
}

// vnics is how many VNICs an instance with so many OCPUs may have: one per OCPU, two at least.
func (s Shape) vnics(ocpus float32) int {
	if !s.Flexible {
		return s.MaxVNICs
	}
	return min(s.MaxVNICs, max(2, int(ocpus)))
}

// podsPerVNIC is how many pod addresses each VNIC beside the node's own carries.
const (
	podsPerVNIC = 31
	mostPods    = 110
)

// maxPods is the pod limit of a node.
func (s Shape) maxPods(cni string, ocpus float32, want int) int {
	if cni == cniFlannel {
		return mostPods
	}
	most := min(mostPods, podsPerVNIC*(s.vnics(ocpus)-1))
	if want > 0 {
		return min(want, most)
	}
	return most
}

// checkSize refuses OCPUs and memory that the shape cannot have.
func (s Shape) checkSize(ocpus, gb float32) error {
	switch {
	case !s.Flexible && (ocpus != s.OCPUs || gb != s.MemoryGB):
		return errInvalid("shape %s is not flexible: it has %v OCPUs and %v GB", s.Name, s.OCPUs, s.MemoryGB)
	case s.Flexible && (ocpus < 1 || ocpus > s.MaxOCPUs):
		return errInvalid("shape %s takes 1 to %v OCPUs, not %v", s.Name, s.MaxOCPUs, ocpus)
	case s.Flexible && (gb < ocpus || gb > min(s.MaxMemoryGB, s.MaxMemoryGBPerOCPU*ocpus)):
		return errInvalid("shape %s with %v OCPUs takes %v to %v GB, not %v", s.Name, ocpus, ocpus, min(s.MaxMemoryGB, s.MaxMemoryGBPerOCPU*ocpus), gb)
	}
	return nil
}
