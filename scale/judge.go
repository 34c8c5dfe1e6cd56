package scale

// judgeGrowth keeps pools from growing for reasons that are not their own
// history: a shape that a zone has none of, and growth that helps nobody. pods
// are those for which pools are to grow.
func (d *decision) judgeGrowth(pods []*waiting) {
	for _, p := range d.pools {
		d.keepMemory(p)
		d.noteZones(p)
	}
	d.avoidZones()
	if len(pods) == 0 {
		return
	}
	for _, p := range d.pools {
		d.fuse(p, pods)
	}
}
