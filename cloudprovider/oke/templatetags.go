package oke

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The tags of a node pool by which a user tells what its nodes will be and the
// API does not: cluster-autoscaler's, so that a pool is tagged once for both.
//
//	cluster-autoscaler/node-template/label/NAME       VALUE           or NAME=VALUE
//	cluster-autoscaler/node-template/taint/NAME       VALUE:Effect    or NAME=VALUE:Effect
//	cluster-autoscaler/node-template/resources/NAME   QUANTITY        or NAME=QUANTITY
//	cluster-autoscaler/node-ephemeral-storage         QUANTITY
//
// A tag's key has no dots where names have: "~2" stands for one, or the name is
// in the value and the key ends as one likes. A defined tag counts as well; a
// free-form one goes before it.
const (
	templateTag  = "cluster-autoscaler/node-template/"
	ephemeralTag = "cluster-autoscaler/node-ephemeral-storage"
)

// hints are what a pool's tags say of its nodes.
type hints struct {
	labels    map[string]string
	taints    []corev1.Taint
	resources corev1.ResourceList
	problems  []string
}

// hintsOf reads the tags in order of their keys. One that makes no sense is
// named and left out.
func hintsOf(tags map[string]string) hints {
	h := hints{labels: map[string]string{}, resources: corev1.ResourceList{}}
	for _, key := range byRank(tags) {
		name := undefined(key)
		var err error
		if rest, ok := strings.CutPrefix(name, templateTag); ok {
			kind, alias, _ := strings.Cut(rest, "/")
			err = h.read(kind, strings.ReplaceAll(alias, "~2", "."), tags[key])
		} else if name == ephemeralTag {
			err = h.quantity(string(corev1.ResourceEphemeralStorage), tags[key])
		}
		if err != nil {
			h.problems = append(h.problems, fmt.Sprintf("tag %s=%s: %v", short(key), short(tags[key]), err))
		}
	}
	if _, most := sizeTags(tags); most == 0 && tags["minSize"]+tags["maxSize"] != "" {
		h.problems = append(h.problems, fmt.Sprintf("tags minSize=%s maxSize=%s: they must be numbers, 0 <= minSize <= maxSize, and maxSize 1 or more",
			short(tags["minSize"]), short(tags["maxSize"])))
	}
	return h
}

// byRank lists the keys, defined tags before free-form ones, which then
// overwrite them.
func byRank(tags map[string]string) []string {
	var defined, free []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if undefined(key) != key {
			defined = append(defined, key)
		} else {
			free = append(free, key)
		}
	}
	return append(defined, free...)
}

// undefined is a tag's key without the namespace that a defined one has before a
// dot.
func undefined(key string) string {
	if ns, rest, ok := strings.Cut(key, "."); ok && !strings.Contains(ns, "/") {
		return rest
	}
	return key
}

func (h *hints) read(kind, name, value string) error {
	switch kind {
	case "label":
		return h.label(name, value)
	case "taint":
		return h.taint(name, value)
	case "resources":
		return h.quantity(name, value)
	case "autoscaling-options": // read by the plugin
		return nil
	}
	return fmt.Errorf("%q is none of label, taint, resources, autoscaling-options", short(kind))
}

// named is the name and value that a tag means: the value may bring the name
// along.
func named(alias, value string) (string, string) {
	if name, rest, ok := strings.Cut(value, "="); ok {
		return name, rest
	}
	return alias, value
}

func (h *hints) label(name, value string) error {
	name, value = named(name, value)
	if bad := append(validation.IsQualifiedName(name), validation.IsValidLabelValue(value)...); len(bad) > 0 {
		return fmt.Errorf("%s=%s is no label", short(name), short(value))
	}
	h.labels[name] = value
	return nil
}

func (h *hints) taint(name, value string) error {
	name, value = named(name, value)
	t, err := parseTaint(name + "=" + value)
	if err != nil {
		return err
	}
	h.taints = setTaint(h.taints, t)
	return nil
}

func (h *hints) quantity(name, value string) error {
	name, value = named(name, value)
	q, err := resource.ParseQuantity(value)
	if err != nil || q.Sign() < 0 || len(validation.IsQualifiedName(name)) > 0 {
		return fmt.Errorf("%s=%s is no amount of a resource", short(name), short(value))
	}
	h.resources[corev1.ResourceName(name)] = q
	return nil
}

// setTaint adds a taint or replaces the one with its key and effect, of which a
// node can have one.
func setTaint(list []corev1.Taint, t corev1.Taint) []corev1.Taint {
	for i := range list {
		if list[i].MatchTaint(&t) {
			list[i].Value = t.Value
			return list
		}
	}
	return append(list, t)
}
