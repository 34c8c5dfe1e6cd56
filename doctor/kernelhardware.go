package doctor

import "regexp"

var kernelHardware = kernelSign{
	id: "kernel-hardware", title: "the firmware reports no fatal hardware errors", reason: "HardwareError",
	limits:   Limits{Fail: 1, Source: logSource + ", of uncorrected errors; corrected ones are counted by memory-corrected and pcie-corrected"},
	remedy:   "replace the node; on bare metal, report the host to Oracle",
	literals: []string{"Hardware", "Uncorrected", "AER"},
	line: regexp.MustCompile(`(?i)\[hardware error\]: .*(fatal|uncorrected|panic)|mce: uncorrected hardware memory error|AER: (uncorrectable|multiple uncorrectable|uncorrected) .*fatal|` +
		`Memory failure: 0x[0-9a-f]+: .*(killing|unrecoverable)`),
}.check()

var kernelForks = kernelSign{
	id: "kernel-forks", title: "no control group runs out of tasks", reason: "ForkRefused",
	limits:   Limits{Warn: 1, Source: logSource + "; the kernel says it once for each group. A pod's own limit, so it never fails"},
	remedy:   "the group's name has the pod's UID: raise podPidsLimit, or find what leaks threads",
	literals: []string{"fork rejected"},
	line:     regexp.MustCompile(`cgroup: fork rejected by pids controller in \S+`),
}.check()
