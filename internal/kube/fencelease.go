package kube

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	coordinationv1 "k8s.io/api/coordination/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// leaseIn reads a request's body in whatever coding the client chose, and leaves
// the request as it was.
func leaseIn(r *http.Request) (*coordinationv1.Lease, error) {
	if r.GetBody == nil {
		return nil, fmt.Errorf("read lease to be written: the request's body can be read only once")
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, fmt.Errorf("read lease to be written: %w", err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read lease to be written: %w", err)
	}
	lease, err := leaseOf(text)
	if err != nil {
		return nil, fmt.Errorf("read lease to be written: %w", err)
	}
	return lease, nil
}

// versionIn is the version of the Lease that the server has answered with, "" if its
// answer cannot be read. The answer is left as it was, also where it ends in its middle.
func versionIn(answer *http.Response) string {
	text, err := io.ReadAll(answer.Body)
	answer.Body = again{io.MultiReader(bytes.NewReader(text), ending{err}), answer.Body}
	if err != nil {
		return ""
	}
	lease, err := leaseOf(text)
	if err != nil {
		return ""
	}
	return lease.ResourceVersion
}

// again is a body that was read, from its beginning.
type again struct {
	io.Reader
	io.Closer
}

// ending is how a body ended.
type ending struct{ err error }

func (e ending) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

func leaseOf(text []byte) (*coordinationv1.Lease, error) {
	kind := coordinationv1.SchemeGroupVersion.WithKind("Lease")
	o, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(text, &kind, nil)
	if err != nil {
		return nil, err
	}
	lease, ok := o.(*coordinationv1.Lease)
	if !ok {
		return nil, fmt.Errorf("it is a %T", o)
	}
	return lease, nil
}
