package record

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/cloudprovider"
)

// RawNote is JSON that the Record carries and does not look into.
type RawNote = json.RawMessage

// Bounds of a file: many times what a cluster of 2,000 nodes and 100,000 pods
// needs, and little enough to hold in memory.
const (
	maxSize    = 1 << 30 // bytes, uncompressed
	maxObjects = 1_000_000
	maxNodes   = 20_000
)

// ErrBroken is what Read's errors wrap when the file is at fault and not the
// reading of it.
var ErrBroken = errors.New("it is not a snapshot of tidemill")

// Write writes the record, compressed.
func (r Record) Write(w io.Writer) error {
	z := gzip.NewWriter(w)
	e := json.NewEncoder(z)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// Read reads what Write wrote. An error is one sentence; it wraps ErrBroken when
// the content is to blame. Nothing of the content is believed before it has
// been checked, and no more than a bounded part of it is held.
func Read(r io.Reader) (Record, error) {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return Record{}, broken("it does not begin as a gzip file does", err)
	}
	limited := &io.LimitedReader{R: z, N: maxSize}
	var out Record
	d := json.NewDecoder(limited)
	if err := d.Decode(&out); err != nil {
		if limited.N <= 0 {
			return Record{}, broken(fmt.Sprintf("it is larger than %d MiB unpacked", maxSize>>20), nil)
		}
		return Record{}, broken("it cannot be read", err)
	}
	if _, err := io.Copy(io.Discard, io.MultiReader(d.Buffered(), limited)); err != nil {
		return Record{}, broken("it ends too early or is damaged", err)
	}
	if err := out.check(); err != nil {
		return Record{}, err
	}
	return out, nil
}

// broken is an error of one line whatever the parser's words are.
func broken(what string, err error) error {
	if err == nil {
		return fmt.Errorf("read snapshot: %w: %s", ErrBroken, what)
	}
	words := strings.Join(strings.Fields(err.Error()), " ")
	if len(words) > 200 {
		words = words[:200]
		for !utf8.ValidString(words) {
			words = words[:len(words)-1]
		}
		words += "..."
	}
	return fmt.Errorf("read snapshot: %w: %s: %s", ErrBroken, what, words)
}

// check refuses what no cluster and no cloud could have said.
func (r *Record) check() error {
	o := &r.Objects
	switch {
	case r.Format != Format:
		return broken(fmt.Sprintf("its format is %.40q and not %q", r.Format, Format), nil)
	case r.Version != Version:
		return broken(fmt.Sprintf("its version is %d, and this tidemill reads version %d", r.Version, Version), nil)
	case r.Now.IsZero():
		return broken("it does not say when it was taken", nil)
	case len(o.Nodes) > maxNodes:
		return broken(fmt.Sprintf("it has %d nodes, more than %d", len(o.Nodes), maxNodes), nil)
	case len(o.Pods)+len(o.Pools)+len(o.PVCs)+len(o.PVs)+len(o.DaemonSets)+len(o.PDBs)+len(o.ResourceClaims)+len(o.ResourceSlices) > maxObjects:
		return broken(fmt.Sprintf("it has more than %d objects", maxObjects), nil)
	}
	for i := range o.Nodes {
		if o.Nodes[i].Name == "" {
			return broken("it has a node without a name", nil)
		}
	}
	for i := range o.Pods {
		if o.Pods[i].Name == "" || len(o.Pods[i].Spec.Containers) == 0 {
			return broken("it has a pod without a name or without containers", nil)
		}
	}
	return r.Cloud.check()
}

func (c *Cloud) check() error {
	seen := map[cloudprovider.PoolID]bool{}
	machines := 0
	for _, p := range c.Pools {
		if p.ID == "" || seen[p.ID] {
			return broken("it has a node pool without an ID, or two with the same", nil)
		}
		seen[p.ID] = true
		if p.Size < 0 || p.Size > maxNodes {
			return broken(fmt.Sprintf("node pool %.80q has the size %d", p.ID, p.Size), nil)
		}
		machines += p.Size
	}
	for _, list := range c.Instances {
		machines += len(list)
	}
	if machines > 2*maxNodes {
		return broken(fmt.Sprintf("its node pools have %d machines, more than %d", machines, maxNodes), nil)
	}
	return nil
}
