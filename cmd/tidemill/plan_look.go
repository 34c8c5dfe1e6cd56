package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/record"
	"github.com/tidemill/tidemill/internal/world/whatif"
)

// planLook is all that a plan is made from.
type planLook struct {
	snapshot *world.Snapshot
	// offers are the releases that pools could be turned over to.
	offers map[cloudprovider.PoolID]cycle.Offer
	// doctor is the doctor's report as JSON: its checks ask more than a snapshot
	// has, so that what they found is taken along and not found again.
	doctor json.RawMessage
	// live reads the cluster that was looked at; nil far from it.
	live client.Reader
}

// lookFor looks at the cluster and the cloud, or reads a look.
func (g *globals) lookFor(ctx context.Context, f planFlags) (*planLook, error) {
	if f.snapshot != "" {
		if f.record != "" {
			return nil, usage(errors.New("--record with --snapshot: the file is there already"))
		}
		return readLook(f.snapshot)
	}
	l, err := g.look(ctx)
	if err != nil || f.record == "" {
		return l, err
	}
	return l, l.write(f.record)
}

// look is live.
func (g *globals) look(ctx context.Context) (*planLook, error) {
	log, err := g.logger(g.stderr)
	if err != nil {
		return nil, err
	}
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return nil, err
	}
	c, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	g.oci.book.from(c.client)
	// The look is shared: what scale, cycle and doctor say is of one moment.
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{DryRun: true, Refresh: time.Minute})
	o := &world.Observer{Clock: c.clock, Reader: c.client, Fleet: fleet, ControlPlane: func() string { return c.version }, Glance: true}
	s, err := o.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if s.CloudErr != nil {
		f := classify(s.CloudErr)
		f.code = exitBlind
		return nil, f
	}
	report, err := doctor.Examine(ctx, doctor.ExamineOptions{Observer: o})
	if err != nil {
		return nil, err
	}
	l := &planLook{snapshot: s, offers: offers(ctx, s, fleet), live: c.client}
	l.doctor, err = json.Marshal(report)
	return l, err
}

// offers looks up what the pools that ask for another release can boot.
func offers(ctx context.Context, s *world.Snapshot, fleet *cloudprovider.Fleet) map[cloudprovider.PoolID]cycle.Offer {
	out := map[cloudprovider.PoolID]cycle.Offer{}
	for _, p := range s.Pools {
		if cycle.WantsOffer(p) {
			releases, err := fleet.Releases(ctx, p.Cloud.ID)
			out[p.Cloud.ID] = cycle.Offer{Releases: releases, Err: err}
		}
	}
	return out
}

// Notes in a recorded file.
const (
	noteDoctor = "doctor"
	noteOffers = "offers"
)

// offerNote is a cycle.Offer with its error as text.
type offerNote struct {
	Releases []cloudprovider.Release `json:"releases,omitempty"`
	Err      string                  `json:"error,omitempty"`
}

// write puts the look into a file, wholly or not at all.
func (l *planLook) write(path string) error {
	r := record.Of(l.snapshot)
	r.By = thisBuild().Version
	notes := map[cloudprovider.PoolID]offerNote{}
	for id, o := range l.offers {
		n := offerNote{Releases: o.Releases}
		if o.Err != nil {
			n.Err = o.Err.Error()
		}
		notes[id] = n
	}
	text, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	r.Notes = map[string]record.RawNote{noteDoctor: l.doctor, noteOffers: text}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tidemill-*")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	err = errors.Join(r.Write(tmp), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// readLook reads what write wrote.
func readLook(path string) (*planLook, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usage(fmt.Errorf("read snapshot: %w", err), "tidemill plan --record FILE writes one")
	}
	defer file.Close()
	r, err := record.Read(file)
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", path, err), "tidemill plan --record FILE writes one")
	}
	l := &planLook{snapshot: r.Snapshot(), offers: map[cloudprovider.PoolID]cycle.Offer{}, doctor: json.RawMessage("{}")}
	if text := r.Notes[noteDoctor]; len(text) > 0 {
		l.doctor = text
	}
	notes := map[cloudprovider.PoolID]offerNote{}
	if text := r.Notes[noteOffers]; len(text) > 0 {
		err = json.Unmarshal(text, &notes)
	}
	if err == nil {
		err = json.Unmarshal(l.doctor, new(doctor.Report))
	}
	if err != nil {
		return nil, usage(fmt.Errorf("%s: read snapshot: %w: its notes cannot be read", path, record.ErrBroken))
	}
	for id, n := range notes {
		o := cycle.Offer{Releases: n.Releases}
		if n.Err != "" {
			o.Err = errors.New(n.Err)
		}
		l.offers[id] = o
	}
	return l, nil
}

// add adds to the look what the file says, or from when the file is "-".
func (l *planLook) add(path string, from io.Reader) (*whatif.Change, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usage(fmt.Errorf("read what-if: %w", err))
		}
		defer file.Close()
		from = file
	}
	c, err := whatif.Parse(from)
	if err != nil {
		return nil, usage(fmt.Errorf("read what-if %s: %w", path, err))
	}
	r := record.Of(l.snapshot)
	if err := c.Apply(&r); err != nil {
		return nil, usage(fmt.Errorf("read what-if %s: %w", path, err))
	}
	l.snapshot = r.Snapshot()
	return &c, nil
}
