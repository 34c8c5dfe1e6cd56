package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

var certificateLimits = Limits{Warn: 92, Fail: 98,
	Source: "share of its life that has passed; the kubelet asks for the next certificate between 70 and 90 %"}

var kubeletCertificates = Check{
	ID:       "kubelet-certificates",
	Title:    "the kubelet's certificates are renewed",
	Unit:     "%",
	Limits:   certificateLimits,
	Evidence: EvidenceLevel,
	Remedy:   "check rotateCertificates in the kubelet's configuration, its log for \"certificate_manager\", and kubectl get csr; a node whose certificate has run out is replaced",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const dir = "var/lib/kubelet/pki"
		if _, err := p.Host.names(dir); p.Host.lacks(err, "var/lib") {
			return skip(ReasonNotApplicable, "no kubelet keeps certificates here")
		}
		f, worst := pass(""), -1.0
		var bad []string
		for _, name := range []string{"kubelet-client-current.pem", "kubelet-server-current.pem"} {
			cert, err := p.Host.certificate(dir, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return unreadable(path.Join(dir, name), err)
			}
			percent := lifePassed(cert, p.Now)
			if percent > worst {
				worst, f.Observed = percent, fmt.Sprintf("%.0f%% of the life of %s", percent, name)
			}
			if s := judge(certificateLimits, percent); s != Pass {
				f.State = max(f.State, s)
				bad = append(bad, name+" ends at "+clock(cert.NotAfter))
			}
		}
		switch {
		case worst < 0:
			return unknown(ReasonNotFound, "there is no certificate in "+dir+" that is current")
		case len(bad) > 0:
			f.Reason, f.Message = "CertificateNotRenewed", strings.Join(bad, ", ")
		}
		return f
	},
}

// certificate reads the first certificate of a file. The kubelet keeps the
// current one behind an absolute link, which leads out of a root that is mounted
// elsewhere: only its last part is taken, since both files lie side by side.
func (h *Host) certificate(dir, name string) (*x509.Certificate, error) {
	if target, err := fs.ReadLink(h.FS, path.Join(dir, name)); err == nil {
		name = path.Base(target)
	}
	data, err := h.read(path.Join(dir, name))
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, errors.New("no certificate in it")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// lifePassed is the share of a certificate's life that is over, in percent; 100
// and more when it has run out.
func lifePassed(c *x509.Certificate, now time.Time) float64 {
	life := c.NotAfter.Sub(c.NotBefore)
	if life <= 0 {
		return 100
	}
	return max(0, float64(now.Sub(c.NotBefore))*100/float64(life))
}
