package calltree

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// detail is a call with the timeline of its round trips.
func (f *Feed) detail(ctx context.Context, id string) ([]string, error) {
	task, err := f.client.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	attempts, err := AttemptsUpTo(ctx, f.client, id, 0)
	if err != nil {
		return nil, err
	}
	lines := describe(task)
	if task.Function != "" {
		steps, err := LastSteps(ctx, f.client, id)
		if err != nil {
			return nil, err
		}
		lines = append(lines, stepLines(steps)...)
	}
	return append(lines, timeline(attempts, task.Error)...), nil
}

// stepLines show the newest steps of a call.
func stepLines(p *sendoff.StepPage) []string {
	if len(p.Items) == 0 {
		return nil
	}
	lines := []string{"", fmt.Sprintf("%-12s  %8s  %-11s  %8s  %s", "START", "LATENCY", "STATE", "ATTEMPTS", "STEP")}
	if n := StepTotal(p) - len(p.Items); n > 0 {
		lines = append(lines, fmt.Sprintf("%s before these; see sendoff tasks steps", term.Counted(n, "step")))
	}
	for i := range p.Items {
		s := &p.Items[i]
		attempt, took, state := stepCells(s, time.Now())
		lines = append(lines, fmt.Sprintf("%-12s  %8s  %-11s  %8s  %s", s.StartedAt.Local().Format(term.TimeOfDay), took, state, attempt, term.Clean(s.Name)))
		if end := StepEnd(s); end != "" {
			lines = append(lines, "  "+term.Clean(end))
		}
	}
	return lines
}

// describe shows a call without its round trips.
func describe(task *sendoff.Task) (lines []string) {
	line := func(name, value string) {
		if value != "" && value != "-" {
			lines = append(lines, fmt.Sprintf("%-10s%s", name, value))
		}
	}
	line("call", term.Clean(title(task.Function, task.Name, task.URL, task.Handler)))
	line("id", task.ID)
	line("state", term.State(task))
	line("endpoint", term.Clean(task.Endpoint))
	line("parent", task.ParentID)
	line("created", term.Clock(task.CreatedAt))
	line("next at", term.Clock(task.NextAt))
	line("finished", term.Clock(task.FinishedAt))
	line("expires", term.Clock(task.ExpiresAt))
	line("input", term.Clean(string(task.Payload)))
	line("result", term.Clean(string(task.Result)))
	if task.Error != nil {
		return append(lines, term.FailureLines("error     ", task.Error)...)
	}
	line("error", term.Clean(task.LastError))
	return lines
}

// timeline shows the round trips of a call, oldest first. The error that is
// shown above is not shown again with its traceback.
func timeline(attempts []*sendoff.Attempt, shown *sendoff.FunctionError) []string {
	lines := []string{"", fmt.Sprintf("%-12s  %8s  %-10s  %-20s  %5s  %7s  %s", "START", "LATENCY", "OUTCOME", "STATUS", "CALLS", "RESULTS", "STATE")}
	for _, a := range attempts {
		lines = append(lines, roundTrip(a, shown)...)
	}
	if len(attempts) == 0 {
		lines = append(lines, "none yet")
	}
	return lines
}

func roundTrip(a *sendoff.Attempt, shown *sendoff.FunctionError) []string {
	took := "-"
	if !a.Running() {
		took = term.Short(a.Duration)
	}
	status := a.Headers["Status"]
	if status == "" && a.Status != 0 {
		status = strconv.Itoa(a.Status)
	}
	lines := []string{strings.TrimRight(fmt.Sprintf("%-12s  %8s  %-10s  %-20s  %5s  %7s  %s", a.StartedAt.Local().Format(term.TimeOfDay), took,
		a.Outcome, term.Clean(status), a.Headers["Calls"], a.Headers["Results"], size(cmp.Or(a.Headers["State-Bytes"], a.Headers["Journal-Bytes"]))), " ")}
	for _, name := range []string{"Wait", "Signals", "Next", "Poll-Error"} {
		if value := a.Headers[name]; value != "" {
			lines = append(lines, "  "+strings.ToLower(name)+" "+term.Clean(value))
		}
	}
	if len(a.Result) > 0 {
		lines = append(lines, "  result "+term.Clean(string(a.Result)))
	}
	if a.Failure != nil && shown != nil && *a.Failure == *shown {
		return append(lines, term.FailureLines("  ", shown)[0])
	}
	if a.Failure != nil {
		return append(lines, term.FailureLines("  ", a.Failure)...)
	}
	if a.Error != "" {
		lines = append(lines, "  "+term.Clean(a.Error))
	}
	return lines
}

// size is a number of bytes for people.
func size(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ""
	}
	return term.Bytes(n)
}
