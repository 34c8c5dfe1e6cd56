package doctor

import (
	"encoding/json"
	"io"
	"slices"
)

// The parts of SARIF 2.1.0 that a report needs (OASIS, "Static Analysis Results
// Interchange Format"): code-scanning pages show it, and tell by the fingerprint
// what is new.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		Help             sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool   `json:"executionSuccessful"`
		EndTimeUTC          string `json:"endTimeUtc"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Kind                string            `json:"kind"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		LogicalLocations []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		Name               string `json:"name"`
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

// writeSARIF writes what asks for attention: a rule for each check that has a
// result, and the node as its logical location, since there is no file.
func (r Report) writeSARIF(w io.Writer) error {
	run := sarifRun{Results: []sarifResult{}, Invocations: []sarifInvocation{{r.Err == "", clock(r.Time)}}}
	run.Tool.Driver = sarifDriver{Name: "tidemill doctor", InformationURI: "https://github.com/tidemill/tidemill", Rules: []sarifRule{}}
	for _, n := range r.Nodes {
		for _, f := range n.Findings {
			kind, level := f.State.sarif()
			if kind == "" {
				continue
			}
			run.Results = append(run.Results, sarifResult{
				RuleID: f.Check, RuleIndex: run.rule(f.Check), Kind: kind, Level: level, Message: sarifText{f.Node + ": " + f.Message + f.aside()},
				Locations:           []sarifLocation{{[]sarifLogical{{n.Node, n.Pool + "/" + n.Node, "resource"}}}},
				PartialFingerprints: map[string]string{"nodeCheckReason/v1": n.Node + "/" + f.Check + "/" + f.Reason},
			})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// rule is the index of a check's rule, which is added when it is missing.
func (run *sarifRun) rule(id string) int {
	rules := &run.Tool.Driver.Rules
	if i := slices.IndexFunc(*rules, func(r sarifRule) bool { return r.ID == id }); i >= 0 {
		return i
	}
	c, _ := checkByID(id)
	*rules = append(*rules, sarifRule{id, sarifText{c.Title}, sarifText{c.Remedy}})
	return len(*rules) - 1
}

// sarif is a state as kind and level; "" for what is fine. A level other than
// none goes with kind fail alone.
func (s State) sarif() (kind, level string) {
	switch s {
	case Fail:
		return "fail", "error"
	case Warn:
		return "fail", "warning"
	case Info:
		return "informational", "none"
	case Unknown:
		return "open", "none"
	}
	return "", ""
}
