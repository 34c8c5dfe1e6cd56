package repair

import (
	"slices"
	"time"
)

// Scenario is a fleet and what happens to it.
type Scenario struct {
	Name, About string
	// Common is whether the fault has a common cause: then nothing should be
	// destroyed.
	Common bool
	pools  []pool
	last   time.Duration
	// script is called once a minute, before the policy looks.
	script func(f *fleet, minute int)
}

var (
	workers = []pool{{name: "workers", size: 30}}
	two     = []pool{{name: "web", size: 24}, {name: "batch", size: 16}}
	accel   = []pool{{name: "gpu", size: 6, gpu: true, start: 45 * time.Minute}}
)

// pick are n nodes of the fleet from the first on, those that are there.
func pick(f *fleet, from, n int) []*node {
	return f.nodes[min(from, len(f.nodes)):min(from+n, len(f.nodes))]
}

// minutes after a moment of the fleet's clock.
func in(f *fleet, minutes int) time.Time { return f.now.Add(time.Duration(minutes) * time.Minute) }

// Scenarios are all of them: single faults first, in which time counts, then
// common causes, in which nothing may be lost.
func Scenarios() []Scenario { return slices.Concat(faults(), outages(), mistakes()) }

// faults are of single machines.
func faults() []Scenario {
	return []Scenario{
		{"kernel-hang", "one kernel hangs; a reboot cures it", false, workers, 150 * time.Minute, at(30, func(f *fleet) {
			f.hurt(pick(f, 4, 1)[0], fault{silent: true, cure: reboot})
		})},
		{"disk-damaged", "one boot volume is damaged: read-only, then silent", false, workers, 150 * time.Minute, func(f *fleet, m int) {
			switch n := pick(f, 4, 1)[0]; m {
			case 30:
				f.hurt(n, fault{alarm: true, notReady: true, cure: volume})
			}
		}},
		{"host-dead", "one machine's hardware fails", false, workers, 150 * time.Minute, at(30, func(f *fleet) {
			f.hurt(pick(f, 4, 1)[0], fault{silent: true, cure: replace})
		})},
		{"three-apart", "three machines fail, an hour and a half apart", false, workers, 5 * time.Hour, func(f *fleet, m int) {
			if m == 30 || m == 120 || m == 210 {
				f.hurt(pick(f, 2+m/30, 1)[0], fault{silent: true, cure: action(1 + m/90)})
			}
		}},
		{"never-joins", "one of three new machines registers and never becomes Ready", false, workers, 150 * time.Minute, at(30, func(f *fleet) {
			for i := range 3 {
				n := f.launch(f.pools[0])
				if i == 0 {
					n.ready, n.readySince = "False", f.now
					f.hurt(n, fault{notReady: true, cure: replace})
				}
			}
		})},
	}
}

// outages are of something that machines share.
func outages() []Scenario {
	return []Scenario{
		{"zone-lost", "a zone is cut off for 45 minutes and comes back node by node", true, workers, 3 * time.Hour, at(30, func(f *fleet) {
			back := 45
			for _, n := range f.nodes {
				if n.zone == "AD-1" {
					f.hurt(n, fault{silent: true, healthy: true, until: in(f, back)})
					back += 2
				}
			}
		})},
		{"rack-switch", "a switch of four machines is down for 40 minutes", true, two, 3 * time.Hour, at(30, func(f *fleet) {
			for _, n := range pick(f, 3, 4) {
				f.hurt(n, fault{silent: true, healthy: true, until: in(f, 40)})
			}
		})},
		{"api-outage", "nobody reaches the API server for 25 minutes; kubelets come back within six", true, two, 3 * time.Hour, func(f *fleet, m int) {
			switch m {
			case 30:
				for i, n := range f.nodes {
					f.hurt(n, fault{silent: true, healthy: true, until: in(f, 26+i%6)})
				}
				f.apiDown = true
			case 55:
				f.apiDown, f.up = false, f.now
			}
		}},
		{"api-path", "no kubelet reaches the API server for 25 minutes, everybody else does; they come back within six", true, two, 3 * time.Hour, at(30, func(f *fleet) {
			for i, n := range f.nodes {
				f.hurt(n, fault{silent: true, healthy: true, until: in(f, 26+i%6)})
			}
		})},
		{"flapping", "three machines on a bad link: away for 14 minutes, back for 6, four times", true, two, 4 * time.Hour, func(f *fleet, m int) {
			if m >= 30 && m < 110 && (m-30)%20 == 0 {
				for _, n := range pick(f, 5, 3) {
					f.hurt(n, fault{silent: true, healthy: true, until: in(f, 14)})
				}
			}
		}},
	}
}

// mistakes are of people and programs: the machines are well, or what is wrong
// with them is in what they are made from.
func mistakes() []Scenario {
	return []Scenario{
		{"detector-bug", "a monitor's update reports every node, for three hours", true, two, 4 * time.Hour, at(30, func(f *fleet) {
			bug := fault{alarm: true, healthy: true, inherited: true, until: in(f, 180)}
			for _, n := range f.nodes {
				f.hurt(n, bug)
			}
			f.bad = &bug
		})},
		{"detector-rollout", "the same, rolled out to a node every 15 minutes", true, two, 5 * time.Hour, func(f *fleet, m int) {
			if m < 30 || m > 210 || m%15 != 0 {
				return
			}
			bug := fault{alarm: true, healthy: true, inherited: true, until: f.began.Add(270 * time.Minute)}
			f.hurt(pick(f, m/15, 1)[0], bug)
			f.bad = &bug
		}},
		{"gpu-drivers", "two new GPU nodes install drivers for 45 minutes", true, accel, 3 * time.Hour, at(30, func(f *fleet) {
			for range 2 {
				n := f.launch(f.pools[0])
				n.joins = in(f, 2) // it registers early, and is not Ready
				f.hurt(n, fault{notReady: true, healthy: true, until: in(f, 45)})
				n.ready, n.readySince = "False", f.now
			}
		})},
		{"bad-image", "four new machines of a bad image register and never become Ready, and so would their successors", true, two, 3 * time.Hour, func(f *fleet, m int) {
			if m == 30 {
				f.bad = &fault{notReady: true, inherited: true, cure: none}
				for range 4 {
					n := f.launch(f.pools[0])
					n.ready, n.readySince = "False", f.now
				}
			}
		}},
		{"creeping", "a firewall rule reaches a node every 8 minutes; it is taken back after three hours", true, two, 4 * time.Hour, func(f *fleet, m int) {
			if m >= 30 && m <= 180 && (m-30)%8 == 0 {
				f.hurt(pick(f, (m-30)/8, 1)[0], fault{silent: true, healthy: true, until: f.began.Add(210 * time.Minute)})
			}
		}},
	}
}

// at is a script of one event.
func at(minute int, do func(*fleet)) func(*fleet, int) {
	return func(f *fleet, m int) {
		if m == minute {
			do(f)
		}
	}
}
