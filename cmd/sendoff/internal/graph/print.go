package graph

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// printLine prints a value as one line of JSON.
func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// verdictPaint is the word by which a verdict is colored.
var verdictPaint = map[jobgraph.Verdict]string{
	jobgraph.IsInPlace: "succeeded", jobgraph.WouldRun: "scheduled", jobgraph.WouldWait: "blocked", jobgraph.CannotSay: "failed",
	jobgraph.WouldSkip: "blocked", jobgraph.NotPlanned: "canceled",
}

// printPlan prints what would become of each job, in the order of a run.
func printPlan(t *term.Terminal, p *jobgraph.Plan) {
	width, run := len("JOB"), 0
	for _, j := range p.Jobs {
		width = min(max(width, term.Width(j.Name)), maxName)
		if j.Verdict == jobgraph.WouldRun {
			run++
		}
	}
	t.Printf("%s\n", t.Paint("head", fmt.Sprintf("%s  PLAN", term.Padded("JOB", width))))
	for i := range p.Jobs {
		j := &p.Jobs[i]
		t.Printf("%s  %s\n", term.Padded(term.Clean(j.Name), width), t.Paint(verdictPaint[j.Verdict], term.Clean(j.String())))
	}
	if p.InPlace() {
		t.Printf("%s is in place.\n", p.Goal)
		return
	}
	t.Printf("%s is not in place: %s would run first.\n", p.Goal, term.Counted(run, "job"))
}

// printEnd says how a run ended, after its tree.
func printEnd(t *term.Terminal, res *jobgraph.Result) {
	failed := 0
	for _, c := range res.Cleanups {
		if c.Err != nil {
			failed++
			t.Printf("cleanup of %s, attempt %d, failed: %s\n", term.Clean(c.Job), c.Attempt, term.Clean(c.Err.Error()))
		}
	}
	end := "reached"
	if !res.Reached {
		end = "not reached"
	}
	t.Printf("%s: %s in %s", term.Clean(res.Goal), t.Paint(map[bool]string{true: "succeeded", false: "failed"}[res.Reached], end), term.Short(res.Duration))
	if n := len(res.Cleanups); n > 0 {
		t.Printf(", %s", term.Counted(n, "cleanup"))
	}
	if failed > 0 {
		t.Printf(" (%d failed)", failed)
	}
	t.Printf("\n")
}
