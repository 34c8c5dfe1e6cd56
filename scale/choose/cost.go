package choose

// A node without a price is weighed by what it has. The weights are those of
// Oracle's list prices for flexible shapes: a GiB of memory costs about an eighth of
// a vCPU, the smallest data-centre accelerator about 150 vCPUs. They decide
// only between kinds of nodes neither of which has a price, and turn into money
// by the prices that are known (see [Costs]).
const (
	vcpuPerGiB = 1.0 / 8
	vcpuPerGPU = 150.0
)

// Equivalents is cores, GiB and accelerators in vCPUs.
func Equivalents(cores, gib, gpus float64) float64 {
	return cores + gib*vcpuPerGiB + gpus*vcpuPerGPU
}

// Costs answers what options cost, comparable with each other: their price
// where it is known, else what their nodes have at the mean rate of the options
// whose price is known, or in plain vCPU equivalents where none is. A pool
// without a price is thus neither free nor barred.
func Costs(options []Option) func(*Option) float64 {
	var known, have float64
	for i := range options {
		if o := &options[i]; o.Price > 0 {
			known += o.Price
			have += Equivalents(o.CPU, o.Memory, o.GPUs)
		}
	}
	rate := 1.0
	if known > 0 && have > 0 {
		rate = known / have
	}
	return func(o *Option) float64 {
		if o.Price > 0 {
			return o.Price
		}
		return rate * Equivalents(o.CPU, o.Memory, o.GPUs)
	}
}
