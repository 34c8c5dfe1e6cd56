package oke

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// kubelet is what a pool's metadata and scripts tell the kubelets of its nodes.
// OKE has no field for any of it: it goes into node metadata as
// kubelet-extra-args, or into a cloud-init script that hands
// --kubelet-extra-args to OKE's installer.
type kubelet struct {
	labels   map[string]string
	taints   []corev1.Taint
	maxPods  int64                        // --max-pods, 0 if not given
	reserved map[corev1.ResourceName]kept // --kube-reserved and --system-reserved by resource
	evict    evict                        // --eviction-hard
	grown    bool                         // a script runs oci-growfs
	problems []string                     // what could not be understood, one sentence each
}

// kept is what two flags keep back of one resource; nil where OKE's own value
// stays.
type kept struct{ kube, system *resource.Quantity }

// evict are thresholds in the kubelet's words, "500Mi" or "5%"; "" where the
// default stays.
type evict struct{ memory, disk string }

// kubeletFlag is one that matters to a template.
type kubeletFlag struct {
	name string
	read func(*kubelet, string) error
}

// flags are those that are read, in this order.
var flags = []kubeletFlag{
	{"node-labels", (*kubelet).readLabels},
	{"register-with-taints", (*kubelet).readTaints},
	{"max-pods", (*kubelet).readMaxPods},
	{"kube-reserved", func(k *kubelet, v string) error {
		return k.readReserved(v, func(r *kept, q resource.Quantity) { r.kube = &q })
	}},
	{"system-reserved", func(k *kubelet, v string) error {
		return k.readReserved(v, func(r *kept, q resource.Quantity) { r.system = &q })
	}},
	{"eviction-hard", (*kubelet).readEvict},
}

var growfs = regexp.MustCompile(`(?:^|[^\w-])oci-growfs(?:$|[^\w-])`)

// kubeletOf reads a pool's node metadata. The installer's arguments come first,
// the metadata's after, as on the node, where the later one wins.
func kubeletOf(metadata map[string]string) kubelet {
	k := kubelet{labels: map[string]string{}, reserved: map[corev1.ResourceName]kept{}}
	texts, problem := scripts(metadata["user_data"])
	if problem != "" {
		k.problems = append(k.problems, "user_data: "+problem)
	}
	for _, text := range texts {
		k.grown = k.grown || growfs.MatchString(text)
	}
	for _, text := range append(texts, metadata["kubelet-extra-args"]) {
		given := argumentsIn(text)
		for _, f := range flags {
			for _, value := range given[f.name] {
				if err := f.read(&k, value); err != nil {
					k.problems = append(k.problems, fmt.Sprintf("kubelet argument --%s=%s: %v", f.name, short(value), err))
				}
			}
		}
	}
	return k
}

// short keeps a hostile value from filling a log, or beginning lines of its own.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	if len(s) > 120 {
		return s[:120] + "..."
	}
	return s
}

// argumentsIn finds flags in a script or a line of arguments, in order. Quotes,
// brackets and line ends separate words: whether a quote was meant for this
// shell or the next makes no difference to what is between them.
func argumentsIn(text string) map[string][]string {
	found := map[string][]string{}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'\\`[]()", r) })
	for i, w := range words {
		name, value, joined := strings.Cut(strings.TrimPrefix(w, "--"), "=")
		known := slices.ContainsFunc(flags, func(f kubeletFlag) bool { return f.name == name })
		if !known || !strings.HasPrefix(w, "--") {
			continue
		}
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		found[name] = append(found[name], strings.Trim(value, ",;"))
	}
	return found
}

func errShell(value string) error {
	if strings.ContainsAny(value, "${}") {
		return fmt.Errorf("the value is made by the shell on the node and is not known here")
	}
	return nil
}

// readLabels reads "key=value,key=value"; later ones are added to earlier ones.
func (k *kubelet) readLabels(text string) error {
	if err := errShell(text); err != nil {
		return err
	}
	found := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		if bad := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(bad) > 0 {
			return fmt.Errorf("%q is no label", short(part))
		}
		found[key] = value
	}
	maps.Copy(k.labels, found)
	return nil
}

// readTaints reads "key=value:Effect,key:Effect"; a later flag replaces an
// earlier one.
func (k *kubelet) readTaints(text string) error {
	if err := errShell(text); err != nil {
		return err
	}
	var list []corev1.Taint
	for part := range strings.SplitSeq(text, ",") {
		t, err := parseTaint(part)
		if err != nil {
			return err
		}
		list = append(list, t)
	}
	k.taints = list
	return nil
}

// parseTaint reads "key=value:Effect" as the kubelet does.
func parseTaint(text string) (corev1.Taint, error) {
	left, effect, ok := strings.Cut(text, ":")
	key, value, _ := strings.Cut(left, "=")
	t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	if !ok || !effects[t.Effect] || len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
		return t, fmt.Errorf("%q is no taint of the form key=value:NoSchedule, PreferNoSchedule or NoExecute", short(text))
	}
	return t, nil
}

var effects = map[corev1.TaintEffect]bool{
	corev1.TaintEffectNoSchedule: true, corev1.TaintEffectPreferNoSchedule: true, corev1.TaintEffectNoExecute: true,
}

func (k *kubelet) readMaxPods(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("it must be a number of pods")
	}
	k.maxPods = n
	return nil
}

// readReserved reads "cpu=500m,memory=1Gi".
func (k *kubelet) readReserved(text string, set func(*kept, resource.Quantity)) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() < 0 {
			return fmt.Errorf("%q is no quantity like memory=1Gi", short(part))
		}
		r := k.reserved[corev1.ResourceName(name)]
		set(&r, q)
		k.reserved[corev1.ResourceName(name)] = r
	}
	return nil
}

// readEvict reads "memory.available<500Mi,nodefs.available<10%".
func (k *kubelet) readEvict(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		signal, value, ok := strings.Cut(part, "<")
		if _, err := amount(value, 0); err != nil || !ok {
			return fmt.Errorf("%q is no threshold like memory.available<500Mi or nodefs.available<10%%", short(part))
		}
		switch signal {
		case "memory.available":
			k.evict.memory = value
		case "nodefs.available":
			k.evict.disk = value
		}
	}
	return nil
}

// amount is a threshold in bytes of a whole.
func amount(text string, whole int64) (int64, error) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return 0, fmt.Errorf("%q is no percentage", short(text))
		}
		return int64(p / 100 * float64(whole)), nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 {
		return 0, fmt.Errorf("%q is no amount", short(text))
	}
	return q.Value(), nil
}
