package choose

import "math"

// Bound is the least that any plan can cost that helps all pods of the classes:
// the optimum of the linear program in which nodes and pods may be cut to
// pieces. No plan is cheaper, and usually none is quite as cheap. worth is what
// each class adds to it per pod, in the same money: what a pod is worth helping
// for. ok is false when some class fits no kind, the kinds have too little room
// in sum, or the program is too large to solve here.
//
// It is the dual that is solved, since for it the origin is a place to begin:
//
//	maximize  Σ count·u − Σ room·ρ
//	such that u_i ≤ Σ want_ir·λ_kr          for each class i that fits kind k
//	          Σ have_kr·λ_kr ≤ cost_k + ρ_k  for each kind k
//
// λ_kr is what a unit of resource r on kind k is worth, ρ_k what another node
// of a kind that has no room left would save. The program is written in shares
// of a node, since bytes and cores side by side would drown in rounding: have
// is 1 then, and want a share.
func Bound(classes []Class, kinds []Kind) (total float64, worth []float64, ok bool) {
	const pivots, cells = 20_000, 60_000_000
	if len(kinds) == 0 {
		return 0, nil, false
	}
	columns, rows := len(classes)+len(kinds)*(len(kinds[0].Have)+1), len(kinds)
	for i := range classes {
		for k := range kinds {
			if fits(&classes[i], kinds, k) {
				rows++
			}
		}
	}
	if rows*(columns+rows) > cells {
		return 0, nil, false
	}
	a, b, c := program(classes, kinds, columns)
	_, x, _, ok := simplex(a, b, c, pivots)
	if !ok {
		return 0, nil, false
	}
	return value(classes, kinds, x[len(classes):])
}

// program is the linear program of [Bound]: maximize c·x such that a·x ≤ b. Its
// columns are the classes' worths, then for each kind those of its resources
// and of another node.
func program(classes []Class, kinds []Kind, columns int) (a [][]float64, b, c []float64) {
	n, resources := len(classes), len(kinds[0].Have)
	c = make([]float64, columns)
	for i := range classes {
		c[i] = float64(classes[i].Count)
	}
	unit := math.Inf(1)
	for k := range kinds {
		unit = min(unit, kinds[k].Cost/kinds[k].most(classes))
	}
	for k := range kinds {
		kind := &kinds[k]
		first := n + k*(resources+1)
		row := make([]float64, columns)
		for r, have := range kind.Have {
			if have > 0 {
				row[first+r] = 1
			}
		}
		row[first+resources] = -1
		c[first+resources] = -float64(kind.Room)
		a, b = append(a, row), append(b, kind.Cost)
		for i := range classes {
			if !fits(&classes[i], kinds, k) {
				continue
			}
			row := make([]float64, columns)
			row[i] = 1
			for r, want := range classes[i].Want {
				if want > 0 {
					row[first+r] = -want / kind.Have[r]
				}
			}
			// A little above 0, and each another little: of a thousand constraints
			// that bind at the origin every pivot would move nowhere.
			slack := unit * 1e-6 * (1 + math.Mod(float64(len(b))*math.Phi, 1))
			a, b = append(a, row), append(b, slack)
		}
	}
	return a, b, c
}

// value is the bound that the worths of resources prove, whoever found them:
// rounding and the little slack of the search are taken out again.
func value(classes []Class, kinds []Kind, x []float64) (total float64, worth []float64, ok bool) {
	resources := len(x)/len(kinds) - 1
	scale := 1.0
	for k := range kinds {
		sum := 0.0
		for r, have := range kinds[k].Have {
			if have > 0 {
				sum += x[k*(resources+1)+r]
			}
		}
		if most := kinds[k].Cost + x[k*(resources+1)+resources]; sum > most {
			scale = min(scale, most/sum)
		}
		total -= float64(kinds[k].Room) * x[k*(resources+1)+resources]
	}
	worth = make([]float64, len(classes))
	for i := range classes {
		least := math.Inf(1)
		for k := range kinds {
			if fits(&classes[i], kinds, k) {
				sum := 0.0
				for r, want := range classes[i].Want {
					if want > 0 {
						sum += want / kinds[k].Have[r] * x[k*(resources+1)+r]
					}
				}
				least = min(least, sum*scale)
			}
		}
		if classes[i].Count > 0 {
			if math.IsInf(least, 1) {
				return 0, nil, false
			}
			worth[i] = least
			total += float64(classes[i].Count) * least
		}
	}
	return total, worth, true
}

// fits is whether a pod of the class may run on the kind and finds room there.
func fits(c *Class, kinds []Kind, k int) bool { return c.Fits[k] && times(kinds[k].Have, c.Want) > 0 }

// most is how many pods a node holds at the most, 1 or more.
func (k *Kind) most(classes []Class) float64 {
	n := 1
	for i := range classes {
		n = max(n, times(k.Have, classes[i].Want))
	}
	return float64(n)
}
