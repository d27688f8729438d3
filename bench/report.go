package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// summary is what the rounds of one case come to.
type summary struct {
	benchCase
	samples []sample
}

func (s summary) median(of func(sample) float64) float64 {
	m, _, _ := spread(s.samples, of)
	return m
}

func spread(samples []sample, of func(sample) float64) (median, low, high float64) {
	if len(samples) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	vs := make([]float64, len(samples))
	for i, s := range samples {
		vs[i] = of(s)
	}
	slices.Sort(vs)
	middle := len(vs) / 2
	median = vs[middle]
	if len(vs)%2 == 0 {
		median = (vs[middle-1] + vs[middle]) / 2
	}
	return median, vs[0], vs[len(vs)-1]
}

func rate(s sample) float64 { return s.Rate }

// report prints two Markdown tables: every case, and the aims.
func report(w io.Writer, chosen []benchCase, samples []sample) {
	var all []summary
	for _, c := range chosen {
		s := summary{benchCase: c}
		for _, one := range samples {
			if one.Group == c.Group && one.Who == c.Who {
				s.samples = append(s.samples, one)
			}
		}
		if len(s.samples) > 0 {
			all = append(all, s)
		}
	}
	fmt.Fprintf(w, "\n%s, %d rounds at most; medians [lowest–highest]\n\n", time.Now().Format("2 January 2006"), rounds(samples))
	reportCases(w, all)
	fmt.Fprintln(w)
	reportAims(w, all)
}

func rounds(samples []sample) (n int) {
	for _, s := range samples {
		n = max(n, s.Round)
	}
	return n
}

func reportCases(w io.Writer, all []summary) {
	fmt.Fprintln(w, "| case | who | tasks | rate/s | CPU µs a task: self + server (+ helpers) | ceiling/s | more | foreign cores | ours / this |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, s := range all {
		ratio := ""
		if !s.ours() {
			ratio = compare(all, s)
		}
		middle := sample{
			Self: s.median(func(s sample) float64 { return s.Self }), Server: s.median(func(s sample) float64 { return s.Server }),
			Helpers: s.median(func(s sample) float64 { return s.Helpers }),
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %.1f | %s |\n", s.Group, s.Who, number(float64(s.samples[0].N)), cell(s.samples, rate),
			cpuText(middle), number(ceiling(middle)), more(s.samples)+beside(all, s), s.median(func(s sample) float64 { return s.Foreign }), ratio)
	}
}

// beside is what a task costs, and at what rate they go, as multiples of those of the
// group beside which a case stands.
func beside(all []summary, s summary) (text string) {
	cpu := func(s sample) float64 { return s.Self + s.Server }
	for _, base := range all {
		if base.ours() && base.Group == s.Beside {
			text = fmt.Sprintf("CPU %.2f, rate %.2f of %s", s.median(cpu)/base.median(cpu), s.median(rate)/base.median(rate), base.Group)
		}
	}
	return text
}

// ceiling is the rate at which the processors of this machine would be busy with
// nothing else, if nothing ever waited.
func ceiling(s sample) float64 {
	return float64(runtime.NumCPU()) * 1e6 / (s.Self + s.Server + s.Helpers)
}

// compare is our rate over a peer's in the same group, or over one that stands
// alone in each group of its kind; for latencies the peer's p50 over ours, so that
// more is better in both.
func compare(all []summary, peer summary) string {
	kind, _, _ := strings.Cut(peer.Group, "/")
	var same, alike []string
	for _, s := range all {
		if !s.ours() || !strings.HasPrefix(s.Group, kind+"/") {
			continue
		}
		ratio := s.median(rate) / peer.median(rate)
		if strings.HasSuffix(kind, "latency") {
			p50 := func(s sample) float64 { return s.Values["p50_ms"] }
			ratio = peer.median(p50) / s.median(p50)
		}
		if s.Group == peer.Group && s.Who == "sendoff" {
			same = append(same, fmt.Sprintf("%.1f", ratio))
		} else if s.Group == peer.Group {
			same = append(same, fmt.Sprintf("%s %.1f", strings.TrimPrefix(s.Who, "sendoff-"), ratio))
		}
		alike = append(alike, fmt.Sprintf("%s %.1f", strings.TrimPrefix(s.Group, kind+"/"), ratio))
	}
	if same == nil {
		return strings.Join(alike, ", ")
	}
	return strings.Join(same, ", ")
}

func reportAims(w io.Writer, all []summary) {
	fmt.Fprintln(w, "| aim | value | wanted | ours | met |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, a := range aims {
		for _, s := range all {
			if s.Group != a.group || (s.Who != a.who && (a.who != "" || s.Who != "sendoff")) {
				continue
			}
			of, name, sign := rate, "rate/s", "≥"
			if a.value != "" {
				of, name = func(s sample) float64 { return s.Values[a.value] }, a.value
			}
			got := s.median(of)
			met := got >= a.want
			if a.atMost {
				sign, met = "≤", got <= a.want
			}
			verdict := "yes"
			if !met {
				verdict = "**no**"
			}
			fmt.Fprintf(w, "| %s | %s | %s %s | %s | %s |\n", s.name(), name, sign, number(a.want), cell(s.samples, of), verdict)
		}
	}
}

func cell(samples []sample, of func(sample) float64) string {
	m, low, high := spread(samples, of)
	return fmt.Sprintf("%s [%s–%s]", number(m), number(low), number(high))
}

// more shows the values that are not in a column of their own.
func more(samples []sample) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(samples[0].Values)) {
		if name != "cpu_us" {
			parts = append(parts, name+" "+cell(samples, func(s sample) float64 { return s.Values[name] }))
		}
	}
	return strings.Join(parts, "<br>")
}

func values(s sample) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		if name != "cpu_us" {
			parts = append(parts, name+" "+number(s.Values[name]))
		}
	}
	return strings.Join(parts, ", ")
}

func cpuText(s sample) string {
	text := number(s.Self)
	if s.Server > 0 {
		text += " + " + number(s.Server)
	}
	if s.Helpers > 0 {
		text += " (+ " + number(s.Helpers) + ")"
	}
	return text
}

// number shows three digits, or whole thousands apart.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "–"
	case f < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
