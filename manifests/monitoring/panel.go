package monitoring

// Dashboard is a page of panels.
type Dashboard struct {
	// UID is the page's address in Grafana, and its file's name.
	UID, Title, About string
	Rows              []Row
}

// Row is a line across the page with panels below it.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel is one question and its answer over time.
type Panel struct {
	Title string
	// About says what a good and a bad picture look like.
	About   string
	Unit    Unit
	Look    Look
	Queries []Query
	// Steps colour what is good and bad; none for numbers that are neither.
	Steps []Step
}

// Query is a line, or a family of lines, of a panel.
type Query struct {
	// Expr is PromQL; $pool stands for the pools chosen at the top of the page and
	// $__rate_interval for a window that holds enough scrapes.
	Expr string
	// Legend names a line by its labels, "{{pool}}"; "" for the panel's title.
	Legend string
}

// Unit is how Grafana writes a number.
type Unit string

// The units of the panels.
const (
	Count   Unit = "short"
	Seconds Unit = "s"
	Share   Unit = "percentunit"
	PerSec  Unit = "reqps"
	Bytes   Unit = "bytes"
	YesNo   Unit = "bool_yes_no"
)

// Look is the form of a panel.
type Look string

// The forms of panels: lines over time, areas on top of each other, the newest
// number in large, states side by side, and what the last look said as rows.
const (
	Lines  Look = "timeseries"
	Stack  Look = "stack"
	Number Look = "stat"
	States Look = "state-timeline"
	Table  Look = "table"
)

// Dashboards are all pages, in the order in which one looks.
func Dashboards() []Dashboard {
	return []Dashboard{
		fleet(),  // how are the pools?
		scale(),  // what waits, what grows, what goes?
		cycle(),  // how far is the turn-over, what holds it?
		doctor(), // which nodes are not well, what is done about it?
		cloud(),  // does OKE answer?
	}
}

// one is a panel with a single query.
func one(title, about string, unit Unit, look Look, expr, legend string) Panel {
	return Panel{Title: title, About: about, Unit: unit, Look: look, Queries: []Query{{expr, legend}}}
}

// quantiles are the lines of a histogram: half, most, nearly all.
func quantiles(title, about, histogram string) Panel {
	p := Panel{Title: title, About: about, Unit: Seconds, Look: Lines}
	for _, q := range []struct{ share, name string }{{"0.5", "half"}, {"0.9", "9 of 10"}, {"0.99", "99 of 100"}} {
		p.Queries = append(p.Queries, Query{"histogram_quantile(" + q.share + ", sum by (le) (rate(" + histogram + "_bucket[$__rate_interval])))", q.name})
	}
	return p
}
