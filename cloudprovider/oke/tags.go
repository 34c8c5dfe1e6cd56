package oke

import (
	"fmt"
	"maps"
	"strconv"
)

// tagsOf puts free-form and defined tags into one map; a defined one has its
// namespace before a dot, as cluster-autoscaler writes it.
func tagsOf(freeform map[string]string, defined map[string]map[string]any) map[string]string {
	tags := make(map[string]string, len(freeform))
	for ns, keys := range defined {
		for k, v := range keys {
			tags[ns+"."+k] = fmt.Sprint(v)
		}
	}
	maps.Copy(tags, freeform)
	return tags
}

// sizeTags reads the bounds that cluster-autoscaler's OCI provider takes from a
// pool's free-form tags minSize and maxSize. What makes no sense is no bound.
func sizeTags(tags map[string]string) (least, most int) {
	lo, err := strconv.ParseInt(tags["minSize"], 10, 32)
	if err != nil && tags["minSize"] != "" {
		return 0, 0
	}
	hi, err := strconv.ParseInt(tags["maxSize"], 10, 32)
	if err != nil || lo < 0 || hi < 1 || hi < lo {
		return 0, 0
	}
	return int(lo), int(hi)
}
