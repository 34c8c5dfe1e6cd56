package oke

import (
	"math"
	"strings"
	"testing"
)

// Oracle publishes what a bare metal or fixed node costs a month of 744 hours
// beside the rates of its parts: both tables, of shapes and of prices, must
// agree with it.
func TestPricesAgainstPublishedMonths(t *testing.T) {
	for name, month := range map[string]float64{
		"VM.DenseIO2.8": 758.88, "VM.DenseIO2.24": 2276.64, "BM.DenseIO2.52": 4932.72, "BM.DenseIO.E5.128": 8858, "BM.DenseIO.E4.128": 7143.35,
		"VM.GPU2.1": 948.6, "BM.GPU2.2": 1897.2, "VM.GPU3.1": 2194.8, "VM.GPU3.2": 4389.6, "VM.GPU3.4": 8779.2, "BM.GPU3.8": 17558.4,
		"VM.GPU.A10.1": 1488, "VM.GPU.A10.2": 2976, "BM.GPU.A10.4": 5952, "BM.GPU4.8": 18153.6, "BM.GPU.A100-v2.8": 23808, "BM.GPU.L40S.4": 10416,
		"BM.GPU.H100.8": 59520, "BM.GPU.H200.8": 59520, "BM.GPU.B200.8": 83328, "BM.GPU.GB200.4": 47616, "BM.GPU.MI300X.8": 35712, "BM.GPU.MI355X.8": 51187.2,
		"BM.Optimized3.36": 2017.73, "BM.HPC.E5.144": 4713.98, "BM.HPC2.36": 2008.8, "VM.Standard2.1": 47.47, "VM.Standard2.2": 94.93,
		"VM.Standard2.4": 189.87, "VM.Standard2.8": 379.74, "VM.Standard2.16": 759.48, "VM.Standard2.24": 1139.21, "BM.Standard2.52": 2468.29,
		"BM.Standard3.64": 3047.42, "BM.Standard.E3.128": 4666.37, "BM.Standard.E4.128": 4666.37, "BM.Standard.A1.160": 2333.18,
		"BM.Standard.E5.192": 7713.79, "BM.Standard.E6.256": 10285.06, "BM.Standard.A4.48": 2035.58,
		"BM.Standard.A4.Ax.48": 5478.22, "BM.Standard4.Ax.120": 10833.24, "BM.Standard.E6.Ax.192": 14313.37,
	} {
		sh, ok := shippedShape(name)
		if !ok {
			t.Errorf("shape %s is not shipped", name)
			continue
		}
		got := 744 * ShippedPrices().node(size{shape: name, ocpus: sh.ocpus, memoryGB: sh.memoryGB, gpus: sh.gpus}, false)
		if math.Abs(got-month) > month*0.001 {
			t.Errorf("%s: %.2f a month, published are %.2f", name, got, month)
		}
	}
}

// A shape without a price is one that nobody will choose by price: each that is
// shipped has one, but those that Oracle no longer lists.
func TestShippedShapesHavePrices(t *testing.T) {
	for _, sh := range shippedShapes {
		_, priced := shippedRates[sh.name]
		if unlisted := strings.Contains(sh.name, "Standard.E2."); priced == unlisted {
			t.Errorf("%s: priced %v", sh.name, priced)
		}
	}
	for name := range shippedRates {
		if _, ok := shippedShape(name); !ok {
			t.Errorf("%s has a price and is no shipped shape", name)
		}
	}
}

func TestPriceOverride(t *testing.T) {
	node := size{shape: "VM.Standard.E4.Flex", ocpus: 4, memoryGB: 64}
	h100 := size{shape: "BM.GPU.H100.8", ocpus: 112, memoryGB: 2048, gpus: 8}
	p, errs := ShippedPrices().Override(`
		# by contract
		VM.Standard.E4.Flex  ocpu=0.02  # memory is free of charge
		VM.Quantum.Flex      node=3
		preemptible factor=0.25
		all factor=0.5
	`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"overridden":    {p.node(node, false), 0.04},
		"preemptible":   {p.node(node, true), 0.01},
		"discount only": {p.node(h100, false), 40},
		"a new shape":   {p.node(size{shape: "VM.Quantum.Flex"}, false), 1.5},
		"unknown":       {p.node(size{shape: "VM.Other"}, false), 0},
		"shipped":       {ShippedPrices().node(node, false), 0.196},
		"nothing known": {Prices{}.node(node, false), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

// A bad line is one sentence, and what was known stays.
func TestPriceOverrideRefusals(t *testing.T) {
	node := size{shape: "VM.Standard.E4.Flex", ocpus: 4, memoryGB: 64}
	for text, says := range map[string]string{
		"VM.Standard.E4.Flex":                          "line 1: a price is missing",
		"\nVM.Standard.E4.Flex ocpu=cheap":             `line 2: "ocpu=cheap" is no price`,
		"VM.Standard.E4.Flex ocpu=-1":                  "is no price",
		"VM.Standard.E4.Flex ocpu=NaN":                 "is no price",
		"VM.Standard.E4.Flex ocpu=20000":               "0 to 2000",
		"VM.Standard.E4.Flex cpu=1":                    "is none of gb, gpu, node, nvme, ocpu",
		"VM.Standard.E4.Flex ocpu=0":                   "free",
		"Standard.E4 ocpu=1":                           "is no shape",
		"all factor=0":                                 "is no factor",
		"preemptible 0.5":                              "is no factor",
		"all":                                          "one word",
		"VM.Standard2.1 node=9\nVM.Standard2.1 ocpu=1": "line 2: VM.Standard2.1 has a price already, in line 1",
		strings.Repeat("x", 1000) + " ocpu=1":          "is no shape",
	} {
		p, errs := ShippedPrices().Override(text)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), says) || strings.Contains(errs[0].Error(), "\n") || len(errs[0].Error()) > 300 {
			t.Errorf("%q: %v, want one about %q", text, errs, says)
		}
		if got := p.node(node, false); math.Abs(got-0.196) > 1e-9 {
			t.Errorf("%q: the shipped price is now %v", text, got)
		}
	}
}

func FuzzPriceOverride(f *testing.F) {
	f.Add("VM.Standard.E4.Flex ocpu=0.02 gb=1e-3\nall factor=2")
	f.Fuzz(func(t *testing.T, text string) {
		p, _ := ShippedPrices().Override(text)
		got := p.node(size{shape: "VM.Standard.E4.Flex", ocpus: 64, memoryGB: 1024}, true)
		if math.IsNaN(got) || math.IsInf(got, 0) || got < 0 {
			t.Errorf("price %v", got)
		}
	})
}
