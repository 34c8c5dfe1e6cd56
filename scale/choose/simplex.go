package choose

import "math"

// simplex maximizes c·x subject to a·x ≤ b and x ≥ 0, for b ≥ 0: the origin is
// then a vertex to begin with. It returns the maximum, x, and the shadow price
// of each row; ok is false when there is no maximum or it was not found within
// the number of pivots allowed.
//
// The tableau is dense: hundreds of rows, not thousands. Ties in the ratio test
// are broken by Bland's rule after a while, so that degenerate problems (ours
// are: most of b is zero) end.
func simplex(a [][]float64, b, c []float64, pivots int) (best float64, x, shadow []float64, ok bool) {
	t := newTableau(a, b, c)
	for i := 0; ; i++ {
		col := t.enter(i > pivots/2)
		if col < 0 {
			break
		}
		row := t.leave(col)
		if row < 0 || i == pivots {
			return 0, nil, nil, false
		}
		t.pivot(row, col)
	}
	x, shadow = make([]float64, t.n), make([]float64, t.m)
	for i, v := range t.basis {
		if v < t.n {
			x[v] = t.rows[i][t.width-1]
		}
	}
	for i := range shadow {
		shadow[i] = t.rows[t.m][t.n+i]
	}
	return t.rows[t.m][t.width-1], x, shadow, true
}

type tableau struct {
	m, n, width int
	rows        [][]float64 // m constraints, then the objective with its sign turned
	basis       []int
}

func newTableau(a [][]float64, b, c []float64) *tableau {
	m, n := len(a), len(c)
	t := &tableau{m: m, n: n, width: n + m + 1, basis: make([]int, m)}
	cells := make([]float64, (m+1)*t.width)
	for i := range m + 1 {
		row := cells[i*t.width : (i+1)*t.width]
		t.rows = append(t.rows, row)
		if i == m {
			for j, v := range c {
				row[j] = -v
			}
			break
		}
		copy(row, a[i])
		row[n+i], row[t.width-1] = 1, b[i]
		t.basis[i] = n + i
	}
	return t
}

const tiny = 1e-9

// enter is the column that improves most, or the first that improves at all
// when careful; -1 at the end.
func (t *tableau) enter(careful bool) int {
	best, at := -tiny, -1
	for j, v := range t.rows[t.m][:t.width-1] {
		if v < best {
			best, at = v, j
			if careful {
				break
			}
		}
	}
	return at
}

// leave is the row that binds first, -1 when none does.
func (t *tableau) leave(col int) int {
	best, at := math.Inf(1), -1
	for i := range t.m {
		if v := t.rows[i][col]; v > tiny {
			ratio := t.rows[i][t.width-1] / v
			if ratio < best-tiny || ratio <= best+tiny && at >= 0 && t.basis[i] < t.basis[at] {
				best, at = min(best, ratio), i
			}
		}
	}
	return at
}

func (t *tableau) pivot(row, col int) {
	pr := t.rows[row]
	inv := 1 / pr[col]
	for j := range pr {
		pr[j] *= inv
	}
	for i, r := range t.rows {
		f := r[col]
		if i == row || f == 0 {
			continue
		}
		for j, v := range pr {
			if v != 0 {
				r[j] -= f * v
			}
		}
		r[col] = 0
	}
	t.basis[row] = col
}
