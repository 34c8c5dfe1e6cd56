package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

var rebootRequired = Check{
	ID:       "reboot-required",
	Title:    "no update waits for a reboot",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "/run/reboot-required, which Ubuntu's package manager writes; other systems do not tell"},
	Remedy:   "cycle the node: kubectl annotate node NAME tidemill.dev/cycle=reboot",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		switch _, err := fs.Stat(p.Host.FS, "run/reboot-required"); {
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return unreadable("run/reboot-required", err)
		case !p.Host.exists("run"):
			return unknown(ReasonNotFound, "the host's /run is not mounted here")
		case !p.Host.exists("var/lib/dpkg"):
			return skip(ReasonNotApplicable, "this system leaves no word when it wants a reboot")
		default:
			return pass("")
		}
		f := Finding{State: Info, Reason: "RebootRequired", Message: "installed updates take effect after a reboot"}
		if text, err := p.Host.line("run/reboot-required.pkgs"); err == nil && text != "" {
			f.Message += ": " + some(strings.Fields(text))
		}
		return f
	},
}

var kernelModules = Check{
	ID:       "kernel-modules",
	Title:    "the running kernel's modules are there",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "a directory of /lib/modules with the running kernel's name"},
	Remedy:   "an update has removed the running kernel: what is not loaded yet (a firewall match, a file system, a disk's driver) cannot be any more; reboot the node",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		release, err := p.Host.line("proc/sys/kernel/osrelease")
		if err != nil || release == "" || strings.Contains(release, "/") {
			return unreadable("kernel.osrelease", orGarbage(err))
		}
		dir := "lib/modules"
		if p.Host.exists("usr/lib/modules") {
			dir = "usr/lib/modules"
		}
		have, err := p.Host.names(dir)
		switch {
		case p.Host.lacks(err, "etc"), err == nil && len(have) == 0:
			return skip(ReasonNotApplicable, "the host keeps no modules")
		case err != nil:
			return unreadable(dir, err)
		case p.Host.exists(dir + "/" + release):
			return pass(release)
		}
		return Finding{State: Warn, Reason: "ModulesGone", Observed: release, Message: fmt.Sprintf("%s has %s, and the running kernel is %s", dir, some(have), release)}
	},
}

// cloudInitTime is how long the first boot's scripts may take.
const cloudInitTime = 20 * time.Minute

var cloudInit = Check{
	ID:       "cloud-init",
	Title:    "the first boot's scripts went through",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "/run/cloud-init/result.json: no errors, within 20 minutes of booting"},
	Remedy:   "read /var/log/cloud-init-output.log; on OKE the pool's own script must call the oke bootstrap last and must not end early",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		if !p.Host.exists("run") {
			return unknown(ReasonNotFound, "the host's /run is not mounted here")
		}
		if !p.Host.exists("run/cloud-init") {
			return skip(ReasonNotApplicable, "cloud-init did not run since boot")
		}
		data, err := p.Host.read("run/cloud-init/result.json")
		if errors.Is(err, fs.ErrNotExist) {
			up, err := p.Host.uptime()
			if err != nil {
				return unreadable("proc/uptime", err)
			}
			if up < cloudInitTime {
				return unknown(ReasonJoining, "the scripts of the first boot still run")
			}
			return Finding{State: Warn, Reason: "CloudInitNotFinished", Message: "cloud-init has not finished " + cloudInitTime.String() + " after booting"}
		}
		if err != nil {
			return unreadable("run/cloud-init/result.json", err)
		}
		var result struct {
			V1 *struct {
				Errors []string `json:"errors"`
			} `json:"v1"`
		}
		if err := json.Unmarshal(data, &result); err != nil || result.V1 == nil {
			return unreadable("run/cloud-init/result.json", orGarbage(err))
		}
		if n := len(result.V1.Errors); n > 0 {
			return Finding{State: Warn, Reason: "CloudInitErrors", Observed: quantity(float64(n), "errors"), Message: some(result.V1.Errors)}
		}
		return pass("")
	},
}
