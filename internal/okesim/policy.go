package okesim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Policy is a set of OCI policy statements. It knows as much of the language as a cluster's policies use:
//
//	Allow any-user|group G|dynamic-group G to VERB RESOURCE in tenancy|compartment C [where CONDITION]
//
// VERB RESOURCE may be a set of permissions in braces. CONDITION is one comparison (= or !=) of request.principal.type, .namespace,
// .service_account, .cluster_id, or request.permission with a quoted value, or several in ALL {...} or ANY {...}. Users are in every group, instances in every
// dynamic group, and all compartments but the root are one.
type Policy struct {
	statements []statement
}

type statement struct {
	subject     string // "any-user", "group", "dynamic-group"
	permissions []string
	tenancy     bool
	any         bool // one condition is enough
	conditions  []condition
}

type condition struct {
	variable, value string
	not             bool
}

var (
	grammar    = regexp.MustCompile(`(?is)^\s*allow\s+(any-user|group|dynamic-group)\s+(.*?)\s*to\s+(\{[^}]*\}|\w+\s+[\w-]+)\s+in\s+(tenancy|compartment\s+\S+(?:\s+ocid1\S+)?)\s*(?:where\s+(.*))?$`)
	comparison = regexp.MustCompile(`^\s*([\w.-]+)\s*(!?=)\s*'([^']*)'\s*$`)
	several    = regexp.MustCompile(`(?is)^\s*(all|any)\s*\{(.*)\}\s*$`)
)

// ParsePolicy reads policy statements. The error names the statement and what is wrong with it.
func ParsePolicy(statements ...string) (*Policy, error) {
	p := &Policy{}
	for _, text := range statements {
		st, err := parseStatement(text)
		if err != nil {
			return nil, fmt.Errorf("parse policy statement %q: %w", text, err)
		}
		p.statements = append(p.statements, st)
	}
	return p, nil
}

func parseStatement(text string) (statement, error) {
	m := grammar.FindStringSubmatch(text)
	if m == nil {
		return statement{}, fmt.Errorf("it is not of the form Allow SUBJECT to VERB RESOURCE in SCOPE [where CONDITION]")
	}
	st := statement{subject: strings.ToLower(m[1]), tenancy: strings.EqualFold(m[4], "tenancy")}
	var err error
	if st.permissions, err = parsePermissions(m[3]); err != nil {
		return st, err
	}
	parts := []string{m[5]}
	if s := several.FindStringSubmatch(m[5]); s != nil {
		st.any = strings.EqualFold(s[1], "any")
		parts = strings.Split(s[2], ",")
	}
	for _, part := range parts {
		if strings.TrimSpace(part) == "" {
			continue
		}
		c := comparison.FindStringSubmatch(part)
		if c == nil {
			return st, fmt.Errorf("condition %q is not VARIABLE = 'VALUE'", part)
		}
		st.conditions = append(st.conditions, condition{c[1], c[3], c[2] == "!="})
	}
	return st, nil
}

func parsePermissions(text string) ([]string, error) {
	if list, ok := strings.CutPrefix(text, "{"); ok {
		return strings.FieldsFunc(strings.TrimSuffix(list, "}"), func(r rune) bool { return r == ',' || r == ' ' }), nil
	}
	fields := strings.Fields(strings.ToLower(text))
	verb := slices.Index(verbs, fields[0])
	if verb < 0 {
		return nil, fmt.Errorf("verb %q is not one of %s", fields[0], strings.Join(verbs, ", "))
	}
	kinds := []string{fields[1]}
	if family, ok := families[fields[1]]; ok {
		kinds = family
	}
	var all []string
	for _, kind := range kinds {
		levels, ok := resources[kind]
		if !ok {
			return nil, fmt.Errorf("resource type %q is not known here", kind)
		}
		for _, level := range levels[:min(verb+1, len(levels))] {
			all = append(all, level...)
		}
	}
	return all, nil
}

// AllowsAll says whether the policy gives the caller every one of these permissions; root asks in the root compartment.
func (p *Policy) AllowsAll(who Principal, permissions []string, root bool) bool {
	for _, permission := range permissions {
		if !slices.ContainsFunc(p.statements, func(st statement) bool { return st.allows(who, permission, root) }) {
			return false
		}
	}
	return true
}

func (st statement) allows(who Principal, permission string, root bool) bool {
	subject := map[string]string{"group": "user", "dynamic-group": "instance"}[st.subject]
	if (subject != "" && subject != who.Type) || (root && !st.tenancy) || !slices.Contains(st.permissions, permission) {
		return false
	}
	facts := map[string]string{"request.principal.type": who.Type, "request.principal.id": who.ID, "request.principal.namespace": who.Namespace,
		"request.principal.service_account": who.ServiceAccount, "request.principal.cluster_id": who.ClusterID, "request.permission": permission}
	met := func(c condition) bool {
		have, known := facts[strings.ToLower(c.variable)]
		return known && (have == c.value) != c.not
	}
	if st.any {
		return slices.ContainsFunc(st.conditions, met)
	}
	return !slices.ContainsFunc(st.conditions, func(c condition) bool { return !met(c) })
}

// verbs from the least to the most; each includes the ones before it.
var verbs = []string{"inspect", "read", "use", "manage"}

// resources are the permissions that each verb adds, by resource type.
var resources = map[string][][]string{
	"clusters":                  {{"CLUSTER_INSPECT"}, {"CLUSTER_READ"}, {"CLUSTER_USE"}, {"CLUSTER_CREATE", "CLUSTER_DELETE", "CLUSTER_UPDATE", "CLUSTER_MANAGE"}},
	"cluster-node-pools":        {{"CLUSTER_NODE_POOL_INSPECT"}, {"CLUSTER_NODE_POOL_READ"}, {}, {"CLUSTER_NODE_POOL_CREATE", "CLUSTER_NODE_POOL_DELETE", "CLUSTER_NODE_POOL_UPDATE"}},
	"cluster-virtualnode-pools": {{"CLUSTER_VIRTUAL_NODE_POOL_INSPECT"}, {"CLUSTER_VIRTUAL_NODE_POOL_READ"}, {}, {"CLUSTER_VIRTUAL_NODE_POOL_CREATE", "CLUSTER_VIRTUAL_NODE_POOL_DELETE", "CLUSTER_VIRTUAL_NODE_POOL_UPDATE"}},
	"cluster-work-requests":     {{"CLUSTER_WORK_REQUEST_INSPECT"}, {"CLUSTER_WORK_REQUEST_READ"}, {}, {"CLUSTER_WORK_REQUEST_DELETE"}},
	"instances":                 {{"INSTANCE_INSPECT"}, {"INSTANCE_READ"}, {"INSTANCE_UPDATE", "INSTANCE_POWER_ACTIONS"}, {"INSTANCE_CREATE", "INSTANCE_DELETE"}},
	"instance-images":           {{"INSTANCE_IMAGE_INSPECT"}, {"INSTANCE_IMAGE_READ"}, {}, {}},
	"console-histories":         {{"CONSOLE_HISTORY_INSPECT"}, {"CONSOLE_HISTORY_READ"}, {}, {"CONSOLE_HISTORY_CREATE", "CONSOLE_HISTORY_DELETE"}},
	"compute-capacity-reports":  {{}, {}, {}, {"COMPUTE_CAPACITY_REPORT_CREATE"}},
	"volumes":                   {{"VOLUME_INSPECT"}, {}, {}, {}},
	"volume-attachments":        {{"VOLUME_ATTACHMENT_INSPECT"}, {}, {}, {}},
	"subnets":                   {{"SUBNET_READ"}, {}, {"SUBNET_ATTACH", "SUBNET_DETACH"}, {}},
	"private-ips":               {{"PRIVATE_IP_READ"}, {}, {}, {}},
	"vnics":                     {{}, {"VNIC_READ"}, {"VNIC_ATTACH", "VNIC_DETACH"}, {}},
	"vnic-attachments":          {{}, {"VNIC_ATTACHMENT_READ"}, {}, {}},
	"compartments":              {{"COMPARTMENT_INSPECT"}, {}, {}, {}},
	"limits":                    {{"LIMIT_INSPECT"}, {}, {}, {}},
	"resource-availability":     {{}, {"RESOURCE_AVAILABILITY_READ"}, {}, {}},
}

// families are resource types that stand for several.
var families = map[string][]string{
	"cluster-family":         {"clusters", "cluster-node-pools", "cluster-virtualnode-pools", "cluster-work-requests"},
	"instance-family":        {"instances", "instance-images", "console-histories", "volume-attachments"},
	"virtual-network-family": {"subnets", "private-ips", "vnics", "vnic-attachments"},
	"volume-family":          {"volumes", "volume-attachments"},
	"all-resources": {"clusters", "cluster-node-pools", "cluster-virtualnode-pools", "cluster-work-requests", "instances", "instance-images", "console-histories",
		"compute-capacity-reports", "volumes", "volume-attachments", "subnets", "private-ips", "vnics", "vnic-attachments", "compartments", "limits", "resource-availability"},
}
