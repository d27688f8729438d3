package graph

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// row is a job as people see it: where it stands, or how it ended.
type row struct {
	Name     string
	Deps     []string
	State    jobgraph.State
	How      jobgraph.How
	Attempts int
	Took     time.Duration // its attempts that have ended
	Said     string        // why it is not done, in words
	began    time.Time     // the attempt that runs
	next     time.Time     // the next attempt
	last     jobgraph.Call // the call that has ended last
	lead     string        // lines of the tree before its name
}

// tally is what is known of the jobs of a run. It is not safe for several goroutines.
type tally struct {
	goal   string
	rows   []*row // as a tree, from the goal down, each job once
	byName map[string]*row
	began  time.Time
}

// newTally begins with jobs of which nothing is known yet.
func newTally(goal string, jobs []*jobgraph.Job) *tally {
	rows := make([]*row, len(jobs))
	for i, j := range jobs {
		rows[i] = &row{Name: j.Name, State: jobgraph.Waiting}
		for _, dep := range j.Deps {
			rows[i].Deps = append(rows[i].Deps, dep.Name)
		}
	}
	return tallyOf(goal, rows)
}

// tallyOf makes a tally of jobs in depth-first post-order: what no other needs, the goals,
// are at the top.
func tallyOf(goal string, rows []*row) *tally {
	t := &tally{goal: goal, byName: make(map[string]*row, len(rows)), began: time.Now()}
	needed := map[string]bool{}
	for _, r := range rows {
		t.byName[r.Name] = r
		for _, dep := range r.Deps {
			needed[dep] = true
		}
	}
	for _, r := range slices.Backward(rows) {
		if !needed[r.Name] {
			t.plant(r)
		}
	}
	return t
}

// branch is a job of the tree that is to be added, and the lines before what is below it.
type branch struct {
	*row
	below string
}

// plant adds a job with all below it that is not in the tree yet. There is no recursion: a
// chain may be long.
func (t *tally) plant(top *row) {
	placed := make(map[*row]bool, len(t.byName))
	for _, r := range t.rows {
		placed[r] = true
	}
	for stack := []branch{{row: top}}; len(stack) > 0; {
		b := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if placed[b.row] {
			continue
		}
		placed[b.row] = true
		t.rows = append(t.rows, b.row)
		for _, dep := range slices.Backward(b.Deps) {
			if r := t.byName[dep]; r != nil && !placed[r] {
				stack = append(stack, branch{row: r, below: deeper(b.below)})
				r.lead = deeper(b.below)
			}
		}
	}
}

// maxDepth is how deep the tree is indented at most.
const maxDepth = 12

func deeper(lead string) string {
	if len(lead) >= 2*maxDepth {
		return lead
	}
	return lead + "  "
}

// observe takes in what happens in the run.
func (t *tally) observe(e jobgraph.Event) {
	r := t.byName[e.Job]
	if r == nil {
		return
	}
	switch e.Kind {
	case jobgraph.AttemptBegan:
		r.State, r.Attempts, r.began, r.last = jobgraph.Running, e.Attempt, e.At, ""
	case jobgraph.CallEnded:
		r.last = e.Call
		if e.Err != nil && !errors.Is(e.Err, jobgraph.ErrRunOnly) {
			r.Said = e.Err.Error()
		}
	case jobgraph.WillRetry:
		r.State, r.next, r.Said = jobgraph.Waiting, e.Next, e.Err.Error()
		r.Took += e.At.Sub(r.began)
	case jobgraph.JobEnded:
		if e.Attempt > 0 && r.State == jobgraph.Running {
			r.Took += e.At.Sub(r.began)
		}
		r.State, r.How, r.Attempts, r.Said = e.State, e.How, e.Attempt, ""
		if e.Err != nil {
			r.Said = e.Err.Error()
		}
	}
}

// word is the state of a job for people.
func (r *row) word(now time.Time) string {
	switch {
	case r.State == jobgraph.Succeeded && r.How == jobgraph.InPlace:
		return "in place"
	case r.State == jobgraph.Succeeded:
		return "achieved"
	case r.State == jobgraph.Running:
		return "running " + string(nextCall[r.last])
	case r.State == jobgraph.Waiting && r.next.After(now):
		return "again in " + term.Short(r.next.Sub(now).Round(100*time.Millisecond))
	}
	return string(r.State)
}

// nextCall is the call that is under way after one that has ended.
var nextCall = map[jobgraph.Call]jobgraph.Call{
	"": jobgraph.CallCheck, jobgraph.CallCheck: jobgraph.CallRun, jobgraph.CallRun: jobgraph.CallRecheck, jobgraph.CallRecheck: jobgraph.CallRecheck,
}

// paint is the word by which a state is colored, see [term.Terminal.Paint].
func (r *row) paint() string {
	if r.State == jobgraph.Waiting && r.Attempts > 0 {
		return "scheduled"
	}
	return string(r.State)
}

func (r *row) attempts() string {
	if r.Attempts == 0 {
		return "-"
	}
	return fmt.Sprint(r.Attempts)
}

func (r *row) took(now time.Time) string {
	d := r.Took
	if r.State == jobgraph.Running {
		d += now.Sub(r.began)
	}
	if r.Attempts == 0 {
		return "-"
	}
	return term.Short(d)
}

// counts is how many jobs there are of each state, in words.
func (t *tally) counts(now time.Time) string {
	n := map[string]int{}
	for _, r := range t.rows {
		word, _, _ := strings.Cut(r.word(now), " ")
		n[word]++
	}
	parts := []string{fmt.Sprintf("%s: %s", term.Clean(t.goal), term.Counted(len(t.rows), "job"))}
	for _, w := range []struct{ key, word string }{
		{"in", "in place"},
		{"achieved", "achieved"},
		{"running", "running"},
		{"again", "to be tried again"},
		{"waiting", "waiting"},
		{"failed", "failed"},
		{"blocked", "blocked"},
		{"skipped", "skipped"},
		{"canceled", "canceled"},
	} {
		if n[w.key] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[w.key], w.word))
		}
	}
	return strings.Join(parts, ", ")
}

// width is what the names need, with what is before them.
func (t *tally) width(rows []*row) int {
	w := len("JOB")
	for _, r := range rows {
		w = max(w, term.Width(r.lead)+term.Width(r.Name))
	}
	return min(w, maxName)
}

const maxName = 60

// line is a job in the tree, its end cut at columns; 0 = not at all.
func (r *row) line(t *term.Terminal, now time.Time, width, columns int) string {
	name := term.Padded(r.lead+term.Clean(r.Name), width)
	word := r.word(now)
	left := fmt.Sprintf("%s  %7s  %8s  ", name, r.attempts(), r.took(now))
	said := ""
	if r.Said != "" && r.State != jobgraph.Succeeded && r.State != jobgraph.Blocked {
		said = "  " + term.Clean(r.Said)
	}
	if columns > 0 {
		if room := columns - term.Width(left); room < term.Width(word) {
			return term.Cut(left+word, columns)
		} else {
			said = term.Cut(said, room-term.Width(word))
		}
	}
	return strings.TrimRight(left+t.Paint(r.paint(), word)+said, " ")
}

func headLine(width int) string {
	return fmt.Sprintf("%s  %7s  %8s  %s", term.Padded("JOB", width), "ATTEMPT", "DURATION", "STATE")
}

// print prints the tree.
func (t *tally) print(to *term.Terminal) {
	width, now := t.width(t.rows), time.Now()
	to.Printf("%s\n", to.Paint("head", headLine(width)))
	for _, r := range t.rows {
		to.Printf("%s\n", r.line(to, now, width, 0))
	}
}

// rowOf is how a job ended.
func rowOf(j *jobgraph.JobResult) *row {
	r := &row{Name: j.Name, Deps: j.Deps, State: j.State, How: j.How, Attempts: j.Attempts, Took: j.Took}
	if j.Err != nil {
		r.Said = j.Err.Error()
	}
	r.Said = cmp.Or(r.Said, j.Reason)
	return r
}
