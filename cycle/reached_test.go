package cycle

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// How small a size may be that a process finds which has ordered none.
func TestSizeBelowRecord(t *testing.T) {
	for name, c := range map[string]struct {
		least, size int
		adopted     bool
	}{
		"a record of an older version": {least: 0, size: 1},
		"what deletions have led to":   {least: 6, size: 6},
		"more":                         {least: 6, size: 8},
		"one less":                     {least: 6, size: 5, adopted: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 7, Greatest: 12, Least: int32(c.least)}
			pool.Cloud.Size = c.size
			k := &known{refused: map[Kind]refused{}}
			for range 2 { // also if the record cannot be written
				z, known := k.compare(pool)
				if !c.adopted {
					break
				}
				d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: map[cloudprovider.PoolID]Sizing{"": z}})
				if d.adopt(d.report.Cycle); !known || len(d.steps) != 1 || d.report.Cycle.Desired != 5 || d.report.Cycle.Least != 5 || d.report.Cycle.Greatest != 12 {
					t.Fatalf("%+v: steps %v, the record is %+v", z, d.steps, d.report.Cycle)
				}
			}
			if !c.adopted && !k.sure {
				t.Error("the size is not taken for the run's own")
			}
		})
	}
}

// What is on record before deletions are ordered is never more than what they can lead
// to: of those that another process has ordered nobody knows how many show already.
func TestLeastIsOnRecordBeforeDeletions(t *testing.T) {
	for name, c := range map[string]struct {
		least, size int
		sizing      *Sizing
		steps       []Step
		want        int32
	}{
		"nothing is ordered":                  {least: 6, size: 5, want: 6},
		"an older version's":                  {least: 0, size: 8, steps: deletions(2), want: 0},
		"from what was ordered here":          {least: 6, size: 8, sizing: &Sizing{Expected: 8}, steps: deletions(1), want: 6},
		"own ones that do not show":           {least: 6, size: 8, sizing: &Sizing{Expected: 6, More: 2}, steps: deletions(1), want: 5},
		"others' that may not show":           {least: 6, size: 8, sizing: &Sizing{Expected: 8, Slack: 2}, steps: deletions(1), want: 5},
		"the first look of a process":         {least: 6, size: 8, steps: deletions(2), want: 4},
		"an order whose answer was lost":      {least: 6, size: 6, steps: deletions(1), want: 5},
		"what was typed just now":             {least: 4, size: 4, sizing: &Sizing{Expected: 6, AtLeast: true}, steps: deletions(1), want: 3},
		"an entry that failed is taken back":  {least: 6, size: 6, sizing: &Sizing{Expected: 6}, steps: []Step{{Kind: TakeBack, From: 6, To: 5}}, want: 5},
		"a surge that failed is taken back":   {least: 6, size: 7, sizing: &Sizing{Expected: 7}, steps: []Step{{Kind: TakeBack, From: 7, To: 6}}, want: 6},
		"more than there is":                  {least: 1, size: 2, steps: deletions(4), want: 0},
		"machines that are made anew":         {least: 6, size: 6, sizing: &Sizing{Expected: 6}, steps: []Step{{Kind: Refill}}, want: 6},
		"larger than any that was asked for ": {least: 6, size: 20, sizing: &Sizing{Expected: 12, AtMost: true}, steps: deletions(1), want: 5},
	} {
		pool := &world.Pool{Object: &v1alpha1.Pool{}}
		pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 6, Greatest: 12, Least: int32(c.least)}
		pool.Cloud.Size = c.size
		d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{})
		if d.steps = c.steps; c.sizing != nil {
			d.policy.Sizes = map[cloudprovider.PoolID]Sizing{"": *c.sizing}
		}
		if d.sink(d.report.Cycle); d.report.Cycle.Least != c.want {
			t.Errorf("%s: the record has %d, want %d", name, d.report.Cycle.Least, c.want)
		}
		if must := reaches(d.report); must != (d.report.Cycle.Least < int32(c.least)) {
			t.Errorf("%s: it has to be on record first: %v", name, must)
		}
	}
}

func deletions(n int) (steps []Step) {
	for range n {
		steps = append(steps, Step{Kind: DeleteInstance})
	}
	return steps
}

// What another process has ordered is counted on to show in its time.
func TestSlackEndsWhenAllHasShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := &world.Pool{Object: &v1alpha1.Pool{}}
		pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 6, Greatest: 8, Least: 6}
		pool.Cloud.Size = 8
		k := &known{refused: map[Kind]refused{}}
		if _, known := k.compare(pool); known {
			t.Fatal("a process knows of a size that it has not seen before")
		}
		if z, _ := k.compare(pool); z.Slack != 2 {
			t.Errorf("%+v, want a slack of 2", z)
		}
		time.Sleep(deleteLag + time.Second)
		k.deletes = []time.Time{time.Now()}
		if z, _ := k.compare(pool); z.Slack != 2 {
			t.Errorf("%+v while own deletions may not show, want a slack of 2", z)
		}
		k.deletes = nil
		if z, _ := k.compare(pool); z.Slack != 0 {
			t.Errorf("%+v, want no slack", z)
		}
	})
}
