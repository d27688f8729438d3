package pages

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
)

// History is what was counted over a time, of one queue or of all.
type History struct {
	Span     string // how far back it goes: one of spans
	From, To time.Time
	Partial  bool
	Steps    []step // of equal length, oldest first
	length   time.Duration
	one      bool // it is of one queue
}

// step is what was counted in one.
type step struct {
	at                                                   time.Time
	accepted, started, succeeded, failed, ready, running int64
	wait, run                                            *sendoff.Quantiles
}

// spans are those that a page offers, and what they are called.
var spans = [][2]string{{"1h", "an hour"}, {"24h", "a day"}, {"7d", "a week"}}

// mostSteps bounds a chart.
const mostSteps = 400

// Read takes what was counted in. Of several queues it adds up what can be added.
func (h *History) Read(s *sendoff.Series, length time.Duration) {
	h.From, h.To, h.Partial, h.length, h.one = s.From, s.To, s.Partial, length, len(s.Items) == 1
	n := min(int((h.To.Sub(h.From)+length-1)/length), mostSteps)
	for i := range n {
		h.Steps = append(h.Steps, step{at: h.From.Add(time.Duration(i) * length)})
	}
	for i := range s.Items {
		for j := range s.Items[i].Points {
			p := &s.Items[i].Points[j]
			if at := int(p.At.Sub(h.From) / length); !p.At.Before(h.From) && at < n {
				h.Steps[at].add(p, h.one)
			}
		}
	}
}

func (s *step) add(p *sendoff.SeriesPoint, one bool) {
	s.accepted += p.Accepted
	s.started += p.Started
	s.succeeded += p.Ended["succeeded"]
	s.failed += p.Ended["failed"]
	s.ready += p.Depth["ready"]
	s.running += p.Depth["running"]
	if one {
		s.wait, s.run = p.Wait, p.Run
	}
}

// busy tells whether anything was counted in it.
func (s *step) busy() bool {
	return s.accepted+s.started+s.succeeded+s.failed+s.ready+s.running > 0
}

// tableRows is how many steps the table beside a chart has at most.
const tableRows = 30

// newest are the last steps in which something was counted, newest first.
func (h *History) newest() (rows []step) {
	for i := len(h.Steps) - 1; i >= 0 && len(rows) < tableRows; i-- {
		if h.Steps[i].busy() {
			rows = append(rows, h.Steps[i])
		}
	}
	return rows
}

// chart has lines over the steps of a history.
type chart struct {
	title string
	lines []curve
	value func(float64) string // for people
}

// curve is one of its lines. A value that is not a number leaves a gap.
type curve struct {
	name, class string
	values      []float64
}

// charts are those that a history has something for.
func (h *History) charts() []chart {
	count := func(v float64) string { return number(int64(v)) }
	all := []chart{{"Tasks that came and ended", []curve{
		h.curve("accepted", "c-came", func(s *step) float64 { return float64(s.accepted) }),
		h.curve("succeeded", "c-good", func(s *step) float64 { return float64(s.succeeded) }),
		h.curve("failed", "c-bad", func(s *step) float64 { return float64(s.failed) }),
	}, count}, {"Tasks in line and at work", []curve{
		h.curve("ready", "c-came", func(s *step) float64 { return float64(s.ready) }),
		h.curve("running", "c-good", func(s *step) float64 { return float64(s.running) }),
	}, count}}
	if h.one {
		all = append(all, chart{"Wait of tasks that started", []curve{
			h.curve("half of them", "c-came", func(s *step) float64 { return seconds(s.wait, half) }),
			h.curve("95 %", "c-bad", func(s *step) float64 { return seconds(s.wait, nearly) }),
		}, func(v float64) string { return span(time.Duration(v * float64(time.Second))) }})
	}
	return slices.DeleteFunc(all, func(c chart) bool { return c.most() == 0 })
}

func (h *History) curve(name, class string, of func(*step) float64) curve {
	c := curve{name: name, class: class}
	for i := range h.Steps {
		c.values = append(c.values, of(&h.Steps[i]))
	}
	return c
}

// seconds is a quantile; not a number where nothing was measured.
func seconds(q *sendoff.Quantiles, of func(*sendoff.Quantiles) string) float64 {
	if q == nil {
		return math.NaN()
	}
	d, err := time.ParseDuration(of(q))
	if err != nil {
		return math.NaN()
	}
	return d.Seconds()
}

// most is the greatest value of all lines, and none is below 0.
func (c *chart) most() (most float64) {
	for i := range c.lines {
		most = max(most, c.lines[i].most())
	}
	return most
}

func (c *curve) most() (most float64) {
	for _, v := range c.values {
		if v > most {
			most = v
		}
	}
	return most
}

// words say what a chart shows.
func (c *chart) words() string {
	var parts []string
	for i := range c.lines {
		parts = append(parts, c.lines[i].name+" at most "+c.value(c.lines[i].most()))
	}
	return strings.Join(parts, ", ")
}

// The size of a drawing, which is stretched to the place there is.
const (
	chartWidth  = 600.0
	chartHeight = 100.0
)

// path draws a line on the scale of its chart. Points amid equal ones are left out, and one
// without neighbors is a dash.
func (c *curve) path(most float64) string {
	var out strings.Builder
	wide := chartWidth / float64(max(len(c.values)-1, 1))
	pen := "M"
	for i, v := range c.values {
		switch {
		case math.IsNaN(v):
			pen = "M"
			continue
		case pen == "L" && i+1 < len(c.values) && c.values[i-1] == v && c.values[i+1] == v:
			continue
		}
		x, y := float64(i)*wide, chartHeight-2-(chartHeight-4)*v/cmp.Or(most, 1)
		if alone := pen == "M" && (i+1 == len(c.values) || math.IsNaN(c.values[i+1])); alone {
			fmt.Fprintf(&out, "M%.0f %.1fh6", x-3, y)
			continue
		}
		fmt.Fprintf(&out, "%s%.0f %.1f", pen, x, y)
		pen = "L"
	}
	return out.String()
}

// clock is a time on an axis.
func (h *History) clock(t time.Time) string {
	if h.length < time.Hour {
		return t.UTC().Format("15:04 UTC")
	}
	return t.UTC().Format("2 Jan 15:04 UTC")
}

// quiet tells that nothing was counted in all of it.
func (h *History) quiet() bool {
	return !slices.ContainsFunc(h.Steps, func(s step) bool { return s.busy() })
}

// spanLink is a page with charts, whose path is escaped, that looks so far back.
func spanLink(path, of string) templ.SafeURL { return templ.SafeURL(path + "?span=" + of) }

func quantile(q *sendoff.Quantiles, of func(*sendoff.Quantiles) string) string {
	s := seconds(q, of)
	if math.IsNaN(s) {
		return ""
	}
	return span(time.Duration(s * float64(time.Second)))
}

func half(q *sendoff.Quantiles) string   { return q.P50 }
func nearly(q *sendoff.Quantiles) string { return q.P95 }
