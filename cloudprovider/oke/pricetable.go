package oke

// shippedRates are Oracle's list prices, pay as you go, in US dollars an hour.
//
// Source: the price metadata that Oracle publishes with karpenter-provider-oci
// (chart/config/oci-shape-meta.json, under the UPL), as of July 2026, which are
// the numbers of its public price list. That a preemptible node costs half is
// from there too.
var shippedRates = map[string]Rate{
	"VM.Standard.E3.Flex": {OCPU: 0.025, GB: 0.0015}, "BM.Standard.E3.128": {OCPU: 0.025, GB: 0.0015},
	"VM.Standard.E4.Flex": {OCPU: 0.025, GB: 0.0015}, "BM.Standard.E4.128": {OCPU: 0.025, GB: 0.0015},
	"VM.Standard.E5.Flex": {OCPU: 0.03, GB: 0.002}, "BM.Standard.E5.192": {OCPU: 0.03, GB: 0.002},
	"VM.Standard.E6.Flex": {OCPU: 0.03, GB: 0.002}, "BM.Standard.E6.256": {OCPU: 0.03, GB: 0.002},
	"VM.Standard.E6.Ax.Flex": {OCPU: 0.0138, GB: 0.0108}, "BM.Standard.E6.Ax.192": {OCPU: 0.0138, GB: 0.0108},
	"VM.Standard3.Flex": {OCPU: 0.04, GB: 0.0015}, "BM.Standard3.64": {OCPU: 0.04, GB: 0.0015},
	"VM.Standard4.Ax.Flex": {OCPU: 0.0119, GB: 0.0114}, "BM.Standard4.Ax.120": {OCPU: 0.0119, GB: 0.0114},
	"VM.Optimized3.Flex": {OCPU: 0.054, GB: 0.0015}, "BM.Optimized3.36": {OCPU: 0.054, GB: 0.0015},

	// Arm. An OCPU of A1 is one vCPU, of the others two.
	"VM.Standard.A1.Flex": {OCPU: 0.01, GB: 0.0015}, "BM.Standard.A1.160": {OCPU: 0.01, GB: 0.0015},
	"VM.Standard.A2.Flex": {OCPU: 0.014, GB: 0.002},
	"VM.Standard.A4.Flex": {OCPU: 0.0138, GB: 0.0027}, "BM.Standard.A4.48": {OCPU: 0.0138, GB: 0.0027},
	"VM.Standard.A4.Ax.Flex": {OCPU: 0.019, GB: 0.0084}, "BM.Standard.A4.Ax.48": {OCPU: 0.019, GB: 0.0084},

	// Local disks are billed by the terabyte.
	"VM.DenseIO.E4.Flex": {OCPU: 0.025, GB: 0.0015, NVMe: 0.0612}, "BM.DenseIO.E4.128": {OCPU: 0.025, GB: 0.0015, NVMe: 0.0612},
	"VM.DenseIO.E5.Flex": {OCPU: 0.03, GB: 0.002, NVMe: 0.0612}, "BM.DenseIO.E5.128": {OCPU: 0.03, GB: 0.002, NVMe: 0.0612},
	"VM.DenseIO2.8": {OCPU: 0.1275}, "VM.DenseIO2.16": {OCPU: 0.1275}, "VM.DenseIO2.24": {OCPU: 0.1275}, "BM.DenseIO2.52": {OCPU: 0.1275},

	// The older generation has memory in the OCPU's price.
	"VM.Standard2.1": {OCPU: 0.0638}, "VM.Standard2.2": {OCPU: 0.0638}, "VM.Standard2.4": {OCPU: 0.0638},
	"VM.Standard2.8": {OCPU: 0.0638}, "VM.Standard2.16": {OCPU: 0.0638}, "VM.Standard2.24": {OCPU: 0.0638},
	"BM.Standard2.52": {OCPU: 0.0638}, "BM.HPC2.36": {OCPU: 0.075}, "BM.HPC.E5.144": {OCPU: 0.044},

	// The GPU's price has the host in it.
	"VM.GPU2.1": {GPU: 1.275}, "BM.GPU2.2": {GPU: 1.275},
	"VM.GPU3.1": {GPU: 2.95}, "VM.GPU3.2": {GPU: 2.95}, "VM.GPU3.4": {GPU: 2.95}, "BM.GPU3.8": {GPU: 2.95},
	"VM.GPU.A10.1": {GPU: 2}, "VM.GPU.A10.2": {GPU: 2}, "BM.GPU.A10.4": {GPU: 2},
	"BM.GPU4.8": {GPU: 3.05}, "BM.GPU.A100-v2.8": {GPU: 4}, "BM.GPU.L40S.4": {GPU: 3.5},
	"BM.GPU.H100.8": {GPU: 10}, "BM.GPU.H200.8": {GPU: 10}, "BM.GPU.B200.8": {GPU: 14}, "BM.GPU.GB200.4": {GPU: 16},
	"BM.GPU.MI300X.8": {GPU: 6}, "BM.GPU.MI355X.8": {GPU: 8.6},
}
