package pages

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/sendoff-dev/sendoff"
)

// Comparison is two attempts of a task, the earlier one first; nil where there are not so
// many.
type Comparison struct {
	Task  sendoff.Task
	A, B  *sendoff.Attempt
	Ended []*sendoff.Attempt // from which may be chosen, the oldest first
}

// Choose takes the last two attempts that have ended.
func (c *Comparison) Choose(attempts []sendoff.Attempt) {
	for i := range attempts {
		if !attempts[i].Running() {
			c.Ended = append(c.Ended, &attempts[i])
		}
	}
	if n := len(c.Ended); n > 1 {
		c.A, c.B = c.Ended[n-2], c.Ended[n-1]
	}
}

// endedOf is how many attempts have ended.
func endedOf(attempts []sendoff.Attempt) (n int) {
	for i := range attempts {
		if !attempts[i].Running() {
			n++
		}
	}
	return n
}

func tokenText(a *sendoff.Attempt) string { return strconv.FormatInt(a.Token, 10) }

// pair is a fact of both attempts.
type pair struct {
	name, a, b string
	time       bool // which is never the same
}

func (p *pair) differs() bool { return p.a != p.b && !p.time }

// facts are those of which one attempt at least has something to say.
func (c *Comparison) facts() (list []pair) {
	for _, p := range []pair{
		{name: "Outcome", a: c.A.Outcome, b: c.B.Outcome},
		{name: "Status", a: statusText(c.A), b: statusText(c.B)},
		{name: "Error", a: line(c.A.Error), b: line(c.B.Error)},
		{name: "Took", a: spanText(c.A), b: spanText(c.B), time: true},
		{name: "Connected to", a: c.A.Address, b: c.B.Address},
		{name: "Node", a: c.A.Node, b: c.B.Node},
		{name: "Run", a: text(c.A.Run), b: text(c.B.Run)},
	} {
		if p.a != "" || p.b != "" {
			list = append(list, p)
		}
	}
	return append(list, c.phases()...)
}

// phases are the parts of both pushes.
func (c *Comparison) phases() (list []pair) {
	took := func(a *sendoff.Attempt, name string) string {
		if a.Phases == nil {
			return ""
		}
		for _, p := range partsOf(a) {
			if p.name == name {
				return exactSpan(p.took)
			}
		}
		return ""
	}
	for _, name := range []string{"dns", "connect", "tls", "first_byte", "body"} {
		if a, b := took(c.A, name), took(c.B, name); a != "" || b != "" {
			list = append(list, pair{capital(partWords[name]), a, b, true})
		}
	}
	return list
}

func statusText(a *sendoff.Attempt) string {
	if a.Status == 0 {
		return ""
	}
	return text(a.Status)
}

func spanText(a *sendoff.Attempt) string {
	if a.Duration == 0 {
		return ""
	}
	return span(a.Duration)
}

// diffLine is a line of what came back: of both, or of one of them.
type diffLine struct{ sign, text string }

// mostDiff bounds what is compared, in bytes of each attempt.
const mostDiff = 64 << 10

// differs has what is different in what came back, with three lines around; nothing when
// it is the same.
func (c *Comparison) differs() (lines []diffLine) {
	a, b := cameBack(c.A), cameBack(c.B)
	if bytes.Equal(a, b) {
		return nil
	}
	text := string(diff.Diff("a", a, "b", b))
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if l == "" || strings.HasPrefix(l, "diff ") || strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ ") {
			continue
		}
		if strings.HasPrefix(l, "@@") {
			lines = append(lines, diffLine{"@", strings.Trim(l, "@ ")})
			continue
		}
		lines = append(lines, diffLine{l[:1], l[1:]})
	}
	return lines
}

// sameBack tells whether anything came back.
func (c *Comparison) sameBack() bool { return len(cameBack(c.A)) > 0 }

// cameBack is what came back, as text: headers and body, result, output, error.
func cameBack(a *sendoff.Attempt) []byte {
	var b bytes.Buffer
	for _, h := range sortedPairs(a.Headers) {
		b.WriteString(h[0] + ": " + h[1] + "\n")
	}
	write := func(part string) {
		if part != "" {
			b.WriteString(strings.ToValidUTF8(part, "\uFFFD") + "\n")
		}
	}
	write(pretty([]byte(a.Body)))
	if len(a.BodyRaw) > 0 {
		write(dump(a.BodyRaw))
	}
	if len(a.Result) > 0 {
		write(pretty(a.Result))
	}
	write(a.Output)
	if a.Failure != nil {
		write(a.Failure.Type + ": " + a.Failure.Message)
		write(a.Failure.Traceback)
	}
	whole := b.Bytes()
	if len(whole) <= mostDiff {
		return whole
	}
	return append(bytes.ToValidUTF8(whole[:mostDiff], nil), "\n(the rest is not compared)\n"...)
}

// lineClass is how a line is colored.
func (l diffLine) class() string {
	switch l.sign {
	case "-":
		return "d-old"
	case "+":
		return "d-new"
	case "@":
		return "d-at"
	}
	return ""
}
