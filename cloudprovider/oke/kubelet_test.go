package oke

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// The script as Oracle's documentation has it, with what people add.
const initScript = `#!/bin/bash
curl --fail -H "Authorization: Bearer Oracle" -L0 http://169.254.169.254/opc/v2/instance/metadata/oke_init_script | base64 --decode >/var/run/oke-init.sh
# bash /var/run/oke-init.sh --kubelet-extra-args "--node-labels=old=1"
sudo /usr/libexec/oci-growfs -y
bash /var/run/oke-init.sh --kubelet-extra-args "--register-with-taints=dedicated=batch:NoSchedule \
  --node-labels=disk=fast"
`

func mimeMessage(parts ...string) string {
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n")
	for _, p := range parts {
		b.WriteString("--==B==\n" + p + "\n")
	}
	return b.String() + "--==B==--\n"
}

// Whatever wraps the script, what it says is the same.
func TestKubeletOfEveryWrapping(t *testing.T) {
	cloudConfig := "#cloud-config\nwrite_files:\n- path: /run/x.sh\n  encoding: gz+b64\n  content: " + b64(gz(initScript)) + "\nruncmd: [bash, /run/x.sh]\n"
	for name, data := range map[string]string{
		"plain":                  initScript,
		"base64":                 b64(initScript),
		"base64 with line ends":  b64(initScript)[:76] + "\n" + b64(initScript)[76:],
		"gzip":                   b64(gz(initScript)),
		"MIME":                   b64(mimeMessage("Content-Type: text/x-shellscript\n\n" + initScript)),
		"MIME, parts in base64":  b64(mimeMessage("Content-Type: text/cloud-config\n\n#cloud-config\npackages: [jq]\n", "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n"+b64(initScript))),
		"MIME in gzip":           b64(gz(mimeMessage("Content-Type: text/x-shellscript\n\n" + initScript))),
		"a file of cloud-config": b64(cloudConfig),
	} {
		k := kubeletOf(map[string]string{"user_data": data})
		if len(k.problems) > 0 {
			t.Errorf("%s: %v", name, k.problems)
		}
		if diff := cmp.Diff(map[string]string{"disk": "fast"}, k.labels); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]corev1.Taint{{Key: "dedicated", Value: "batch", Effect: "NoSchedule"}}, k.taints); diff != "" || !k.grown {
			t.Errorf("%s: grown %v, taints (-want +got):\n%s", name, k.grown, diff)
		}
	}
}

// As on the node: labels add up, the last taints count, metadata comes last.
func TestKubeletFlagsTwice(t *testing.T) {
	k := kubeletOf(map[string]string{
		"user_data":          b64("#!/bin/sh\nx --kubelet-extra-args '--node-labels a=1,b=1 --register-with-taints=t:NoExecute'\n"),
		"kubelet-extra-args": "--node-labels=b=2 --register-with-taints=u=v:PreferNoSchedule,w:NoSchedule --v=4",
	})
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, k.labels); diff != "" || len(k.problems) > 0 {
		t.Errorf("%v, labels (-want +got):\n%s", k.problems, diff)
	}
	want := []corev1.Taint{{Key: "u", Value: "v", Effect: "PreferNoSchedule"}, {Key: "w", Effect: "NoSchedule"}}
	if diff := cmp.Diff(want, k.taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

// A commented growfs grows nothing.
func TestKubeletComments(t *testing.T) {
	for script, want := range map[string]bool{
		"#!/bin/sh\n  # oci-growfs -y\n":                        false,
		"#!/bin/sh\nnot-oci-growfs\n":                           false,
		"#!/bin/sh\noci-growfs -y\n":                            true,
		"#!/bin/sh\n/usr/libexec/oci-growfs":                    true,
		"#cloud-config\nruncmd:\n- [sh, -c, 'oci-growfs -y']\n": true,
	} {
		if k := kubeletOf(map[string]string{"user_data": b64(script)}); k.grown != want || len(k.problems) > 0 {
			t.Errorf("%q: grown %v, %v", script, k.grown, k.problems)
		}
	}
}

// What a hostile or broken script costs is bounded, and told in one sentence.
func TestScriptsBounded(t *testing.T) {
	bomb := gz(strings.Repeat("a", 64<<20))
	onion := "text"
	for range 8 {
		onion = gz(onion)
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("Content-Type: text/x-shellscript\n\necho %d", i)
	}
	for name, c := range map[string]struct{ data, says string }{
		"bomb":          {b64(bomb), "256 KiB"},
		"onion":         {b64(onion), "layers"},
		"parts":         {b64(mimeMessage(many...)), "32 MIME parts"},
		"long":          {b64(strings.Repeat("x", 300<<10)), "256 KiB"},
		"broken gzip":   {b64("\x1f\x8bnot"), "gzip"},
		"broken MIME":   {b64("Content-Type: multipart/mixed; boundary=b\n\n--b\nno end"), "MIME"},
		"broken YAML":   {b64("#cloud-config\n\t: ["), "cloud-config"},
		"YAML of bombs": {b64("#cloud-config\nwrite_files:\n- {encoding: gz+b64, content: " + b64(bomb) + "}\n"), "256 KiB"},
	} {
		_, problem := scripts(c.data)
		if !strings.Contains(problem, c.says) {
			t.Errorf("%s: %q, want something about %s", name, problem, c.says)
		}
	}
}

func FuzzKubelet(f *testing.F) {
	f.Add(b64(initScript), "--node-labels=a=b")
	f.Add(b64(gz(initScript)), "--max-pods=5 --eviction-hard=memory.available<5%")
	f.Add(b64(mimeMessage("Content-Type: text/x-shellscript\n\n"+initScript)), "--kube-reserved=cpu=1e9")
	f.Add("#cloud-config\nwrite_files:\n- {encoding: b64, content: YQ==}", "--register-with-taints")
	f.Fuzz(func(t *testing.T, userData, args string) {
		k := kubeletOf(map[string]string{"user_data": userData, "kubelet-extra-args": args})
		s := size{shape: testShape, ocpus: 2, memoryGB: 16, kubernetes: "v1.34.1", diskGB: 50, pods: 110, kept: k.reserved, evict: k.evict}
		capacity, allocatable := s.capacity(), s.allocatable()
		for name, q := range allocatable {
			most := capacity[name]
			if q.Sign() < 0 || q.Cmp(most) > 0 {
				t.Errorf("%s: %s of %s", name, q.String(), most.String())
			}
		}
		for _, taint := range k.taints {
			if _, err := parseTaint(taint.ToString()); err != nil {
				t.Errorf("%v: %v", taint, err)
			}
		}
	})
}
