package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// maxConfigz bounds /configz, which has some 5 kB, and maxConfigKeys its fields.
	maxConfigz    = 512 << 10
	maxConfigKeys = 4096
	// maxConfigDepth is deeper than any field of the kubelet's.
	maxConfigDepth = 16
)

// ownConfig are fields that differ from node to node by their nature.
var ownConfig = []string{"providerID", "podCIDR", "address", "registerWithTaints", "tlsCertFile", "tlsPrivateKeyFile", "staticPodPath", "nodeIP", "hostnameOverride"}

// parseConfigz gives the fields of a configuration by their paths.
func parseConfigz(data []byte) (map[string]string, error) {
	var c struct {
		Config map[string]any `json:"kubeletconfig"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read /configz: %w", err)
	}
	if len(c.Config) == 0 {
		return nil, errors.New("read /configz: it has no kubeletconfig")
	}
	for _, key := range ownConfig {
		delete(c.Config, key)
	}
	out := map[string]string{}
	if !flatten(out, "", c.Config, 0) {
		return nil, fmt.Errorf("read /configz: more than %d fields, or nested too deep", maxConfigKeys)
	}
	return out, nil
}

// flatten writes a tree's leaves; false when there are too many.
func flatten(out map[string]string, path string, v any, depth int) bool {
	if depth > maxConfigDepth || len(out) > maxConfigKeys {
		return false
	}
	if m, ok := v.(map[string]any); ok && len(m) > 0 {
		for k, inner := range m {
			if !flatten(out, strings.TrimPrefix(path+"."+k, "."), inner, depth+1) {
				return false
			}
		}
		return true
	}
	text, err := json.Marshal(v) // lists as a whole: their order means something
	if err != nil {
		return false
	}
	out[path] = string(text)
	return true
}

// share lets like configurations be one: those of a pool are.
func (k *Kubelets) share() {
	known := map[[sha256.Size]byte]map[string]string{}
	for _, v := range k.views {
		if v.Config == nil {
			continue
		}
		if known[v.sum] == nil {
			known[v.sum] = v.Config
		}
		v.Config = known[v.sum]
	}
}

// sumOf tells configurations apart.
func sumOf(config map[string]string) [sha256.Size]byte {
	h := sha256.New()
	for _, key := range sortedKeys(config) {
		fmt.Fprintf(h, "%q=%q\n", key, config[key])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// configNorm is the norm of one pool and version.
func (l *Look) configNorm(key string) norm {
	l.told.Do(func() { l.main = l.configNorms() })
	return l.main[key]
}

// configNorms is what most of a pool's kubelets of one version are told, by field.
// A field that a kubelet does not have is "" there.
func (l *Look) configNorms() map[string]norm {
	type votes struct {
		all    int
		counts map[string]map[string]int
	}
	byKey := map[string]*votes{}
	for _, pool := range l.Snapshot.Pools {
		for _, n := range pool.Nodes {
			if n.Object == nil || l.Kubelets[n.Object.Name] == nil || l.Kubelets[n.Object.Name].Config == nil {
				continue
			}
			key := normKey(pool, n.Object)
			if byKey[key] == nil {
				byKey[key] = &votes{counts: map[string]map[string]int{}}
			}
			v := byKey[key]
			v.all++
			for field, value := range l.Kubelets[n.Object.Name].Config {
				if v.counts[field] == nil {
					v.counts[field] = map[string]int{}
				}
				v.counts[field][value]++
			}
		}
	}
	out := map[string]norm{}
	for key, v := range byKey {
		out[key] = norm{}
		for field, counts := range v.counts {
			absent := v.all
			for value, n := range counts {
				absent -= n
				if n >= majorityOf && 2*n > v.all {
					out[key][field] = value
				}
			}
			if absent >= majorityOf && 2*absent > v.all {
				out[key][field] = ""
			}
		}
	}
	return out
}

var kubeletConfig = Check{
	ID:       "kubelet-config",
	Title:    "the kubelet is configured like the others of its pool",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "/configz by fields: more than half, and at least three, of the pool's kubelets of the same version agree on something else"},
	Remedy:   "a difference that nobody wanted is ended by cycling the node: kubectl annotate node NAME tidemill.dev/cycle=drift",
	Action:   ActionNone,
	Applies:  pooled,
	Run: kubeletCheck(func(_ context.Context, p Patient, v *KubeletView) Finding {
		if v.ConfigErr != nil {
			return kubeletUnknown(v.ConfigErr)
		}
		norm := p.Look.configNorm(normKey(p.Pool, p.Node.Object))
		if len(norm) == 0 {
			return skip("NoMajority", "too few kubelets of the pool and version were asked to compare with")
		}
		var differs []string
		for _, field := range slices.Sorted(maps.Keys(norm)) {
			if own := v.Config[field]; own != norm[field] {
				differs = append(differs, fmt.Sprintf("%s is %s, most have %s", field, orNothing(own), orNothing(norm[field])))
			}
		}
		if len(differs) > 0 {
			return Finding{State: Info, Reason: "ConfigDiffers", Observed: fmt.Sprintf("%d of %d fields", len(differs), len(norm)), Message: some(differs)}
		}
		return pass(fmt.Sprintf("%d fields", len(norm)))
	}),
}

func orNothing(value string) string {
	if value == "" {
		return "not set"
	}
	return value
}
