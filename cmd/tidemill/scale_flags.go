package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/tidemill/tidemill/scale"
)

// scaleFlags tune scaling. The daemon and plan share them: a plan made with
// other settings than the daemon's would say what the daemon does not do.
type scaleFlags struct {
	young time.Duration
}

func (f *scaleFlags) register(s *pflag.FlagSet) {
	s.DurationVar(&f.young, "scale-down-young", 2*time.Minute, "how long a new node is never scaled down: the pods it was made for are on their way")
}

// check refuses what could not work.
func (f *scaleFlags) check() error {
	if f.young <= 0 {
		return usage(fmt.Errorf("--scale-down-young %s is not positive", f.young))
	}
	return nil
}

// policy is what the flags say.
func (f *scaleFlags) policy() scale.Policy { return scale.Policy{YoungNode: f.young} }
