package doctor

import (
	"context"
	"fmt"
	"math"
	"slices"
)

var driftLimits = Limits{Warn: 100, Fail: 450,
	Source: "parts per million by which the clock runs wrong by itself, as chrony learned; the kernel corrects 500 at most"}

var clockDrift = Check{
	ID:       "clock-drift",
	Title:    "the clock's own rate is right",
	Unit:     "ppm",
	Limits:   driftLimits,
	Evidence: EvidenceLevel,
	Remedy:   "check the clock source (the check clock-source); a virtual machine whose clock runs this wrong is moved by stopping and starting it",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		for _, path := range []string{"var/lib/chrony/drift", "var/lib/chrony/chrony.drift"} {
			text, err := p.Host.line(path)
			if p.Host.lacks(err, "var/lib") {
				continue
			}
			var ppm, skew float64
			if err == nil {
				_, err = fmt.Sscan(text, &ppm, &skew)
			}
			if err != nil || math.IsNaN(ppm) {
				return unreadable(path, orGarbage(err))
			}
			f := Finding{State: judge(driftLimits, math.Abs(ppm)), Observed: fmt.Sprintf("%.1f ppm", ppm)}
			if f.State != Pass {
				f.Reason, f.Message = "ClockDrifts", fmt.Sprintf("the clock runs wrong by %.0f parts per million", ppm)
			}
			return f
		}
		return skip(ReasonNotApplicable, "chrony has written no drift file")
	},
}

// slowSources are clocks that take a microsecond to read. The kernel falls back
// to them when it has found the CPU's counter unstable.
var slowSources = []string{"hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"}

var clockSource = Check{
	ID:       "clock-source",
	Title:    "the clock is read from the CPU",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "tsc, kvm-clock, arch_sys_counter and their like are right; hpet and acpi_pm are what is left when those failed"},
	Remedy:   "dmesg | grep -i tsc says why the kernel gave it up; programs that read the clock often are many times slower: replace the node",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const path = "sys/devices/system/clocksource/clocksource0/current_clocksource"
		name, err := p.Host.line(path)
		if err != nil || name == "" {
			return unreadable(path, orGarbage(err))
		}
		if slices.Contains(slowSources, name) {
			return Finding{State: Warn, Reason: "SlowClock", Observed: name, Message: "the kernel reads the time from " + name}
		}
		return pass(name)
	},
}
