package playground

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// Audit asks the API server for a record of who asked for what. It is how the
// rights that a program uses are compared with those that it was given.
type Audit struct {
	// Path is the file that the record is appended to.
	Path string
	// Users whose requests are recorded, as the API server spells them
	// ("system:serviceaccount:NAMESPACE:NAME").
	Users []string
}

// register makes the server write the record. It blocks the request until its
// line is written: what was answered is in the file.
func (a *Audit) register(o *options.ServerRunOptions, dir string) error {
	if a == nil {
		return nil
	}
	policy := auditv1.Policy{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		Rules:    []auditv1.PolicyRule{{Level: auditv1.LevelMetadata, Users: a.Users}, {Level: auditv1.LevelNone}},
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return fmt.Errorf("encode audit policy: %w", err)
	}
	path := filepath.Join(dir, "audit-policy.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write audit policy: %w", err)
	}
	o.Audit.PolicyFile, o.Audit.LogOptions.Path = path, a.Path
	o.Audit.LogOptions.BatchOptions.Mode = "blocking"
	return nil
}
