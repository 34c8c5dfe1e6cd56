package oke

import "strings"

// family is what all shapes whose names begin alike have in common and the API
// does not tell: ListShapes has no architecture, no vCPUs and no name of the
// Kubernetes resource of a GPU.
type family struct {
	prefix  string // the longest one that fits a name counts
	arch    string // "amd64" or "arm64"
	perOCPU float64
	gpu     string // the resource's name; "" without GPUs
}

const (
	nvidia = "nvidia.com/gpu"
	amd    = "amd.com/gpu"
)

// families, from the general to the particular. An OCPU is a core. Cores of x86
// have two threads. Ampere Altra (A1) and NVIDIA Grace have one; of AmpereOne (A2,
// A4) Oracle counts two cores to the OCPU.
var families = []family{
	{"VM.", "amd64", 2, ""},
	{"BM.", "amd64", 2, ""},
	{"VM.Standard.A", "arm64", 2, ""},
	{"BM.Standard.A", "arm64", 2, ""},
	{"VM.Standard.AMD", "amd64", 2, ""},
	{"VM.Standard.A1.", "arm64", 1, ""},
	{"BM.Standard.A1.", "arm64", 1, ""},
	{"VM.GPU", "amd64", 2, nvidia},
	{"BM.GPU", "amd64", 2, nvidia},
	{"BM.GPU.MI", "amd64", 2, amd},
	{"BM.GPU.GB", "arm64", 1, nvidia},
}

// familyOf never fails: a shape of tomorrow counts as what its name says first.
func familyOf(shape string) family {
	best := family{arch: "amd64", perOCPU: 2}
	for _, f := range families {
		if strings.HasPrefix(shape, f.prefix) && len(f.prefix) > len(best.prefix) {
			best = f
		}
	}
	return best
}

// archOf is a shape's architecture as Go and Kubernetes spell it.
func archOf(shape string) string { return familyOf(shape).arch }

// shippedShape is what is known of a shape without asking; ok is false for one
// that came later.
func shippedShape(name string) (s shape, ok bool) {
	for _, s := range shippedShapes {
		if s.name == name {
			s.gpu = familyOf(name).gpu
			return s, true
		}
	}
	return shape{}, false
}

// shippedShapes stand in where ListShapes may not be called (it needs "inspect
// instance-family" or more) or does not know a shape. Source: Oracle's page
// "Compute Shapes", July 2026; the bare metal ones were checked against the
// monthly prices that Oracle publishes for them (prices_test.go).
//
// A flexible shape has here what one OCPU gets by default: the pool has the true
// numbers.
var shippedShapes = []shape{
	flexible("VM.Standard.E3.Flex", 16, 24),
	flexible("VM.Standard.E4.Flex", 16, 24),
	flexible("VM.Standard.E5.Flex", 16, 24),
	flexible("VM.Standard.E6.Flex", 16, 24),
	flexible("VM.Standard.E6.Ax.Flex", 16, 24),
	flexible("VM.Standard3.Flex", 16, 24),
	flexible("VM.Standard4.Ax.Flex", 16, 24),
	flexible("VM.Optimized3.Flex", 14, 18),
	flexible("VM.Standard.A1.Flex", 6, 24),
	flexible("VM.Standard.A2.Flex", 6, 24),
	flexible("VM.Standard.A4.Flex", 6, 24),
	flexible("VM.Standard.A4.Ax.Flex", 6, 24),
	flexible("VM.DenseIO.E4.Flex", 16, 24),
	flexible("VM.DenseIO.E5.Flex", 12, 24),

	fixed("VM.Standard2.1", 1, 15, 2), fixed("VM.Standard2.2", 2, 30, 2), fixed("VM.Standard2.4", 4, 60, 4),
	fixed("VM.Standard2.8", 8, 120, 8), fixed("VM.Standard2.16", 16, 240, 16), fixed("VM.Standard2.24", 24, 320, 24),
	fixed("VM.Standard.E2.1", 1, 8, 2), fixed("VM.Standard.E2.2", 2, 16, 2), fixed("VM.Standard.E2.4", 4, 32, 4),
	fixed("VM.Standard.E2.8", 8, 64, 4), fixed("VM.Standard.E2.1.Micro", 1, 1, 1),
	fixed("VM.DenseIO2.8", 8, 120, 8), fixed("VM.DenseIO2.16", 16, 240, 16), fixed("VM.DenseIO2.24", 24, 320, 24),

	fixed("BM.Standard2.52", 52, 768, 52), fixed("BM.Standard3.64", 64, 1024, 256), fixed("BM.Standard4.Ax.120", 120, 1152, 256),
	fixed("BM.Standard.E2.64", 64, 512, 75), fixed("BM.Standard.E3.128", 128, 2048, 256), fixed("BM.Standard.E4.128", 128, 2048, 256),
	fixed("BM.Standard.E5.192", 192, 2304, 256), fixed("BM.Standard.E6.256", 256, 3072, 256), fixed("BM.Standard.E6.Ax.192", 192, 1536, 256),
	fixed("BM.Standard.A1.160", 160, 1024, 256), fixed("BM.Standard.A4.48", 48, 768, 256), fixed("BM.Standard.A4.Ax.48", 48, 768, 256),
	fixed("BM.DenseIO2.52", 52, 768, 52), fixed("BM.DenseIO.E4.128", 128, 2048, 256), fixed("BM.DenseIO.E5.128", 128, 1536, 256),
	fixed("BM.Optimized3.36", 36, 512, 256), fixed("BM.HPC2.36", 36, 384, 50), fixed("BM.HPC.E5.144", 144, 768, 256),

	withGPUs("VM.GPU2.1", 12, 72, 12, 1), withGPUs("BM.GPU2.2", 28, 192, 28, 2),
	withGPUs("VM.GPU3.1", 6, 90, 6, 1), withGPUs("VM.GPU3.2", 12, 180, 12, 2), withGPUs("VM.GPU3.4", 24, 360, 24, 4),
	withGPUs("BM.GPU3.8", 52, 768, 52, 8), withGPUs("BM.GPU4.8", 64, 2048, 50, 8),
	withGPUs("VM.GPU.A10.1", 15, 240, 15, 1), withGPUs("VM.GPU.A10.2", 30, 480, 24, 2), withGPUs("BM.GPU.A10.4", 64, 1024, 256, 4),
	withGPUs("BM.GPU.A100-v2.8", 128, 2048, 256, 8), withGPUs("BM.GPU.L40S.4", 112, 1024, 256, 4),
	withGPUs("BM.GPU.H100.8", 112, 2048, 256, 8), withGPUs("BM.GPU.H200.8", 112, 3072, 256, 8),
	withGPUs("BM.GPU.B200.8", 128, 4096, 256, 8), withGPUs("BM.GPU.GB200.4", 144, 960, 256, 4),
	withGPUs("BM.GPU.MI300X.8", 112, 2048, 256, 8), withGPUs("BM.GPU.MI355X.8", 128, 3072, 256, 8),
}

// flexible shapes have a VNIC for each OCPU, two at least.
func flexible(name string, gbPerOCPU float64, mostVNICs int) shape {
	return shape{name: name, ocpus: 1, memoryGB: gbPerOCPU, vnicsPerOCPU: 1, minVNICs: 2, mostVNICs: mostVNICs}
}

func fixed(name string, ocpus, memoryGB float64, vnics int) shape {
	return shape{name: name, ocpus: ocpus, memoryGB: memoryGB, vnics: vnics}
}

func withGPUs(name string, ocpus, memoryGB float64, vnics, gpus int) shape {
	s := fixed(name, ocpus, memoryGB, vnics)
	s.gpus = gpus
	return s
}
