package main

import "strings"

// waiver is a finding that was looked at and is right as it is. It stands here
// and not in the code, so that all of them can be read at one look.
type waiver struct {
	rule, file string
	why        string
}

// waivers are all there are. One that waives nothing any more is a finding.
var waivers = []waiver{
	{"G304", "cloudprovider/oke/configfile.go", "the files of credentials that the user names by flag, environment or profile, read with the user's own rights"},
	{"G304", "cloudprovider/oke/network.go", "the file of authorities that the user names"},
	{"G304", "cmd/tidemill/doctor_host.go", "the bundle's directory is the user's argument; the name is ours, the file new (O_EXCL) and for the user alone"},
	{"G304", "cmd/tidemill/memory.go", "the two files of cgroups, by names of ours; variables for the test alone"},
	{"G101", "cmd/tidemill/rights.go", "what is amiss without a right, in words; tokenreviews are one of them"},
	{"G125", "doctor/kubelets.go", "a Node's name, which the API server allows neither slash nor two dots in a row, and escaped beside; the path is a constant"},
	{"G304", "cmd/tidemill/plan_look.go", "the files of --snapshot and --what-if, the user's own arguments; what is in them is read as hostile, see FuzzRead and FuzzParse"},
	{"G304", "doctor/tally.go", "the state file that the user names; what cannot be read counts as none"},
	{"G304", "doctor/since.go", "the state file that the user names; what cannot be read counts as none"},
	{"G301", "cmd/tidemill/man.go", "manual pages are for everybody to read"},
	{"G306", "cmd/tidemill/man.go", "manual pages are for everybody to read"},
	{"G306", "doctor/agent/print.go", "a container's termination log belongs to the kubelet, which reads it; the mode only counts where there is none"},
	{"G404", "doctor/agent/agent.go", "spreads agents in time; nobody gains by guessing it"},
	{"G404", "scale/choose/expander.go", "--expander=random, and from a seed so that the same look gives the same plan"},
}

// find is the waiver for a rule in a file, -1 if there is none.
func find(rule, file string) int {
	for i, w := range waivers {
		if w.rule == rule && strings.HasSuffix(file, "/"+w.file) {
			return i
		}
	}
	return -1
}
