package doctor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// oraclePath is where OKE's images have the script, since July 2021.
const oraclePath = "usr/local/bin/node-doctor.sh"

// oracleDoctor runs Oracle's own script, so that a support case says the same in
// both words. It needs root of the host, writes its report to /var/log, and is
// asked for with --oracle-script.
var oracleDoctor = Check{
	ID: "oracle-doctor", Title: "Oracle's own node doctor finds nothing", Evidence: EvidenceLevel,
	Limits: Limits{Source: "its 16 checks, in its own words"},
	Remedy: "it names a remedy on the node: sudo /usr/local/bin/node-doctor.sh --check",
	// It asks the network, and downloads itself when it is run for the first time.
	Patience: time.Minute,
	Action:   ActionNone,
	Run: func(ctx context.Context, p Patient) Finding {
		if !p.Host.exists(oraclePath) {
			if _, err := p.Host.names("usr/local"); err != nil && !p.Host.lacks(err, "usr") {
				return unreadable("usr/local", err)
			}
			return skip(ReasonNotApplicable, "the host has no "+oraclePath)
		}
		if p.Host.Oracle == nil {
			return skip(ReasonNotAsked, "it is not run without --oracle-script")
		}
		out, err := p.Host.Oracle(ctx)
		if err != nil {
			return unreadable("Oracle's node doctor", err)
		}
		return judgeOracle(out)
	},
}

// escapes are what terminals are coloured by.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// judgeOracle reads lines of "PASS dns lookup" and "FAIL kubelet logs", and
// "16/16 checks passed", which must add up: a script that was cut off in the
// middle has said nothing about the rest.
func judgeOracle(out []byte) Finding {
	passed, total, said := 0, 0, 0
	var failed []string
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		line := strings.TrimSpace(escapes.ReplaceAllString(lines.Text(), ""))
		word, name, _ := strings.Cut(line, " ")
		switch word {
		case "PASS":
			passed++
		case "FAIL":
			failed = append(failed, strings.TrimRight(strings.TrimSpace(name), ". "))
		default:
			_, _ = fmt.Sscanf(line, "%d/%d checks passed", &said, &total)
		}
	}
	f := Finding{State: Pass, Observed: fmt.Sprintf("%d of %d passed", passed, passed+len(failed))}
	switch {
	case len(failed) > 0:
		f.State, f.Reason, f.Message = Warn, "OracleDoctorFails", some(failed)
	case passed == 0:
		return unknown(ReasonUnreadable, "Oracle's node doctor printed no result")
	case total == 0:
		return unknown(ReasonUnreadable, fmt.Sprintf("Oracle's node doctor was cut off after %d checks", passed))
	case passed < total:
		return unknown(ReasonUnreadable, fmt.Sprintf("Oracle's node doctor printed %d of its %d results", passed, total))
	}
	return f
}
