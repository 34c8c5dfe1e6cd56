package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestRuntimeChecks(t *testing.T) {
	node := []string{"var/lib/kubelet/config.yaml\n"}
	for name, story := range map[string]struct {
		files   []string
		said    RuntimeState
		err     error
		unasked bool
		want    string // "state reason" of status and of creates
	}{
		"well":        {files: node, said: RuntimeState{Name: "cri-o", Version: "1.34.2", Sandboxes: 12}, want: "pass  pass "},
		"no network":  {files: node, said: RuntimeState{NotReady: []string{"NetworkReady: no CNI"}}, want: "fail RuntimeNotReady pass "},
		"slow":        {files: node, said: RuntimeState{Took: 3 * time.Second}, want: "warn RuntimeSlow pass "},
		"one waits":   {files: node, said: RuntimeState{Stuck: 1}, want: "pass  warn RuntimeDoesNotStart"},
		"many wait":   {files: node, said: RuntimeState{Stuck: 3}, want: "pass  fail RuntimeDoesNotStart"},
		"no storage":  {files: node, said: RuntimeState{Images: "input/output error"}, want: "pass  fail RuntimeStorage"},
		"refused":     {files: node, err: fs.ErrPermission, want: "unknown NotPermitted unknown NotPermitted"},
		"no socket":   {files: node, err: fs.ErrNotExist, want: "unknown NotFound unknown NotFound"},
		"garbage":     {files: node, err: errors.New("rpc error"), want: "unknown Unreadable unknown Unreadable"},
		"not asked":   {files: node, unasked: true, want: "skip NotAsked skip NotAsked"},
		"workstation": {files: []string{"var/lib/dpkg/status\n"}, want: "skip NotApplicable skip NotApplicable"},
		"no tree":     {want: "unknown NotFound unknown NotFound"},
	} {
		h := hostStory{files: story.files}.host(t, whole)
		if !story.unasked {
			h.Runtime = func(context.Context) (RuntimeState, error) { return story.said, story.err }
		}
		a, b := ask(t, h, "runtime-status"), ask(t, h, "runtime-creates")
		if got := fmt.Sprintf("%s %s %s %s", a.State, a.Reason, b.State, b.Reason); got != story.want {
			t.Errorf("%s: %s, want %s", name, got, story.want)
		}
	}
}

// The page that Oracle's script prints, from the announcement of July 2021.
const oraclePage = "PASS node health\nPASS DNS lookup\nPASS kubelet cert rotation flag\nPASS kubelet logs\nPASS service health\nPASS instance metadata\nPASS image and instance info\n" +
	"PASS yum status\nPASS flannel status\nPASS coredns status\nPASS proxymux-client status\nPASS kube-proxy status\nPASS pods in ImagePullBackOff\nPASS pods failed mounting volume\n" +
	"PASS runc version\nPASS pod usage\nNODE DOCTOR REPORT\n16/16 checks passed\n0 Signal(s) generated\nReport has been saved at /var/log/oke-node-doctor/oke-node-doctor-814.log\n"

func TestOracleDoctor(t *testing.T) {
	for page, want := range map[string]string{
		oraclePage: "pass  16 of 16 passed",
		strings.Replace(oraclePage, "PASS DNS lookup", "FAIL DNS lookup...", 1):             "warn OracleDoctorFails DNS lookup",
		strings.Replace(oraclePage, "PASS DNS lookup", "\x1b[31mFAIL DNS lookup\x1b[0m", 1): "warn OracleDoctorFails DNS lookup",
		oraclePage[:40]: "unknown Unreadable",
		strings.Replace(oraclePage, "PASS pod usage\n", "", 1): "unknown Unreadable",
		"":                      "unknown Unreadable",
		"bash: no such command": "unknown Unreadable",
	} {
		f := judgeOracle([]byte(page))
		if got := fmt.Sprintf("%s %s %s %s", f.State, f.Reason, f.Message, f.Observed); !strings.HasPrefix(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%.60q: %s, want %s", page, got, want)
		}
	}
	h := hostStory{files: []string{oraclePath + "\n#!/bin/sh"}}.host(t, whole)
	if f := ask(t, h, "oracle-doctor"); f.State != Skip || f.Reason != ReasonNotAsked {
		t.Errorf("%+v", f)
	}
	h.Oracle = func(context.Context) ([]byte, error) { return []byte(oraclePage), nil }
	if f := ask(t, h, "oracle-doctor"); f.State != Pass {
		t.Errorf("%+v", f)
	}
}

func FuzzOracleDoctor(f *testing.F) {
	f.Add([]byte(oraclePage))
	f.Add([]byte("FAIL \x1b[999999999999m\n999999999999999999999/0 checks passed"))
	f.Fuzz(func(t *testing.T, page []byte) {
		if got := judgeOracle(page); got.State == Pass && !strings.Contains(string(page), "PASS") {
			t.Errorf("%q passed", page)
		}
	})
}
