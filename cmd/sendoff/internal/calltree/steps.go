package calltree

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// maxStepped is how many functions of a tree are shown with their steps.
const maxStepped = 100

// callSteps are the newest steps of a call.
type callSteps struct {
	items   []sendoff.StepRecord // oldest first
	earlier int                  // steps that are not among them
	at      time.Time            // when they were read, and how the call was then
	state   sendoff.State
	trips   int64
}

func stepsInTree(p *sendoff.StepPage) callSteps {
	return callSteps{items: p.Items, earlier: max(StepTotal(p)-len(p.Items), 0)}
}

// stepText is a step as a row of a tree shows it.
func stepText(s *sendoff.StepRecord) string { return "step " + s.Name }

// stepCells are the columns of a step after its name.
func stepCells(s *sendoff.StepRecord, now time.Time) (attempt, took, status string) {
	attempt, took = "-", "-"
	if s.Attempts > 0 {
		attempt = strconv.Itoa(s.Attempts)
	}
	switch {
	case !s.FinishedAt.IsZero():
		took = term.Short(s.Duration)
	case s.State == sendoff.StateRunning:
		took = term.Short(max(now.Sub(s.StartedAt), 0))
	}
	return attempt, took, string(s.State)
}

// earlierNote tells of steps that are not shown.
func (s *callSteps) earlierNote() string {
	if s.earlier == 0 {
		return ""
	}
	return fmt.Sprintf("%s not shown", term.Counted(s.earlier, "earlier step"))
}

// StepTotal is how many steps the function has, those of other pages included.
func StepTotal(p *sendoff.StepPage) (n int) {
	for _, count := range p.Counts {
		n += count
	}
	return n
}

// StepEnd is what a step brought.
func StepEnd(s *sendoff.StepRecord) string {
	if s.Error == nil {
		return string(s.Result)
	}
	if s.Error.Type == "" {
		return s.Error.Message
	}
	return s.Error.Type + ": " + s.Error.Message
}

// shownSteps is how many steps of a function are shown beside other things.
const shownSteps = 10

// LastSteps returns the newest steps of a function, oldest first.
func LastSteps(ctx context.Context, client *sendoff.Client, id string) (*sendoff.StepPage, error) {
	page, err := client.Tasks.Steps(ctx, id, sendoff.StepFilter{Newest: true, Limit: shownSteps})
	if err == nil {
		slices.Reverse(page.Items)
	}
	return page, err
}

// AttemptsUpTo are the oldest attempts of a task that are kept; 0 = all.
func AttemptsUpTo(ctx context.Context, client *sendoff.Client, id string, limit int) (all []*sendoff.Attempt, err error) {
	for a, err := range client.Tasks.Attempts(ctx, id) {
		if err != nil {
			return all, err
		}
		if all = append(all, a); len(all) == limit {
			break
		}
	}
	return all, nil
}
