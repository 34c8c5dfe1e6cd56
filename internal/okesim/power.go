package okesim

// StopInstance presses the power button behind OKE's back: the machine goes down and stays so, the pool keeps its size and the node its
// state. It returns an [*Error] if the instance is unknown or does not run.
func (s *Sim) StopInstance(id string) error { return s.press(id, "STOP") }

// StartInstance starts what was stopped.
func (s *Sim) StartInstance(id string) error { return s.press(id, "START") }

func (s *Sim) press(id, action string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(id)
	if err != nil {
		return err
	}
	return s.act(i, action)
}
