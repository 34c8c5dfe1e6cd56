package oke

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Prices are what nodes cost by list, in US dollars an hour. The zero value knows
// none, and a copy shares its table: it is read-only once made.
//
// A price is linear in what a node has and the same in every commercial region.
// Boot volumes, the fee of an enhanced cluster, licences and traffic are not in
// it: they are the same for every pool that a choice is between, or nearly.
type Prices struct {
	rates map[string]Rate // by shape
	// factors on all of it, and on preemptible nodes beside
	all, preemptible float64
}

// Rate is the price of one shape in US dollars an hour.
type Rate struct {
	OCPU, GB, GPU float64 // of one each
	NVMe          float64 // of a terabyte of local disk, where a shape is billed for it
	Node          float64 // of the whole, instead of or beside its parts
}

// ShippedPrices are the list prices of shippedRates.
func ShippedPrices() Prices {
	return Prices{rates: shippedRates, all: 1, preemptible: 0.5}
}

// node is the price of a node; 0 if it is not known.
func (p Prices) node(s size, preemptible bool) float64 {
	r, ok := p.rates[s.shape]
	if !ok {
		return 0
	}
	sum := r.OCPU*s.ocpus + r.GB*s.memoryGB + r.GPU*float64(s.gpus) + r.NVMe*nvmeTB(s) + r.Node
	if preemptible {
		sum *= p.preemptible
	}
	return sum * p.all
}

// nvmeTB is the local disk that a node is billed for. Flexible DenseIO shapes
// come with a disk of 6.8 TB to 8 OCPUs.
func nvmeTB(s size) float64 {
	if strings.HasPrefix(s.shape, "VM.DenseIO.") {
		return s.ocpus * 6.8 / 8
	}
	return map[string]float64{"BM.DenseIO.E4.128": 54.4, "BM.DenseIO.E5.128": 81.6}[s.shape]
}

// Override reads a price list of the user's own over p, one shape a line:
//
//	# a comment
//	VM.Standard.E4.Flex  ocpu=0.0225 gb=0.00135
//	BM.GPU.H100.8        gpu=9.5
//	BM.HPC2.36           node=2.1
//	preemptible          factor=0.5
//	all                  factor=0.85
//
// A line replaces all that was known of its shape. The parts are ocpu, gb, gpu, nvme (a terabyte) and node, in US dollars an
// hour. preemptible is the factor on preemptible nodes, all that on everything,
// as a discount is.
//
// A bad line is left out, so that what was known before stays, and is told: the
// errors are one sentence for each.
func (p Prices) Override(text string) (Prices, []error) {
	out, seen := Prices{maps.Clone(p.rates), p.all, p.preemptible}, map[string]int{}
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		first := seen[words[0]]
		err := error(nil)
		if first > 0 {
			err = fmt.Errorf("%s has a price already, in line %d", short(words[0]), first)
		} else if err = out.set(words[0], words[1:]); err == nil {
			seen[words[0]] = number
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", number, err))
		}
	}
	return out, errs
}

func (p *Prices) set(name string, parts []string) error {
	switch name {
	case "all":
		return p.factor(&p.all, parts)
	case "preemptible":
		return p.factor(&p.preemptible, parts)
	}
	if !strings.HasPrefix(name, "VM.") && !strings.HasPrefix(name, "BM.") {
		return fmt.Errorf("%q is no shape: a shape begins with \"VM.\" or \"BM.\"", short(name))
	}
	r, err := parseRate(parts)
	if err != nil {
		return err
	}
	if p.rates == nil {
		p.rates = map[string]Rate{}
	}
	p.rates[name] = r
	return nil
}

func (p *Prices) factor(f *float64, parts []string) error {
	if len(parts) != 1 {
		return fmt.Errorf("it takes one word, like factor=0.5")
	}
	key, value, _ := strings.Cut(parts[0], "=")
	n, err := strconv.ParseFloat(value, 64)
	if key != "factor" || err != nil || !(n > 0 && n <= 10) {
		return fmt.Errorf("%q is no factor: one between 0 and 10 is, like factor=0.5", short(parts[0]))
	}
	*f = n
	return nil
}

// mostDollars is more than any node costs an hour: a price above it is a typing
// error, or one by the month.
const mostDollars = 2000

func parseRate(parts []string) (Rate, error) {
	var r Rate
	fields := map[string]*float64{"ocpu": &r.OCPU, "gb": &r.GB, "gpu": &r.GPU, "nvme": &r.NVMe, "node": &r.Node}
	if len(parts) == 0 {
		return r, fmt.Errorf("a price is missing, like ocpu=0.025 gb=0.0015")
	}
	sum := 0.0
	for _, part := range parts {
		key, value, _ := strings.Cut(part, "=")
		field := fields[key]
		if field == nil {
			return r, fmt.Errorf("%q is none of %s", short(part), strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(n) || n < 0 || n > mostDollars {
			return r, fmt.Errorf("%q is no price: US dollars an hour, 0 to %d, are", short(part), mostDollars)
		}
		*field, sum = n, sum+n
	}
	if sum == 0 {
		return r, fmt.Errorf("a price of 0 would make the node free")
	}
	return r, nil
}

// priceList is what counts now.
func (p *Provider) priceList() Prices {
	if p.prices == nil {
		return ShippedPrices()
	}
	return p.prices()
}
