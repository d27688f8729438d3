package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksStepsCmd struct {
	remote
	ID     string `arg:"" name:"id" help:"Id of a function."`
	Newest bool   `help:"The newest first."`
	Limit  int    `short:"n" default:"50" placeholder:"N" help:"At most so many; 0 = all."`
}

// Run lists the steps of a function.
func (c *tasksStepsCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Limit < 0 {
		return term.Usage("--limit %d: want 0 or more", c.Limit)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	found, err := stepsOf(ctx, client, c.ID, c.Newest, c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(found)
	}
	if found.Note != "" {
		t.Printf("%s\n", found.Note)
		return nil
	}
	printSteps(t, found.Items)
	if len(found.Items) < calltree.StepTotal(found) {
		t.Printf("(%d of %d: %s; more with --limit)\n", len(found.Items), calltree.StepTotal(found), stepCounts(found))
	}
	return nil
}

// stepsOf reads pages of steps until there are limit of them; 0 = all.
func stepsOf(ctx context.Context, client *sendoff.Client, id string, newest bool, limit int) (*sendoff.StepPage, error) {
	out := &sendoff.StepPage{Items: []sendoff.StepRecord{}}
	filter := sendoff.StepFilter{Newest: newest}
	for {
		filter.Limit = 500
		if limit > 0 {
			filter.Limit = min(limit-len(out.Items), 500)
		}
		page, err := client.Tasks.Steps(ctx, id, filter)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, page.Items...)
		out.Counts, out.Note, out.Next = page.Counts, page.Note, page.Next
		if filter.Cursor = page.Next; page.Next == "" || limit > 0 && len(out.Items) >= limit {
			return out, nil
		}
	}
}

// stepCounts is how many steps there are by their state, as in "3 succeeded, 1 running".
func stepCounts(p *sendoff.StepPage) string {
	var parts []string
	for _, state := range []sendoff.State{sendoff.StateSucceeded, sendoff.StateFailed, sendoff.StateRunning, sendoff.StateInterrupted, sendoff.StateCanceled} {
		if n := p.Counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

func printSteps(t *term.Terminal, steps []sendoff.StepRecord) {
	rows := make([][]string, len(steps))
	for i := range steps {
		s := &steps[i]
		attempts, took := "-", "-"
		if s.Attempts > 0 {
			attempts = strconv.Itoa(s.Attempts)
		}
		if !s.FinishedAt.IsZero() {
			took = term.Short(s.Duration)
		}
		rows[i] = []string{term.OneLine(s.Name, 40), string(s.State), attempts, term.Clock(s.StartedAt), took, term.OneLine(calltree.StepEnd(s), 70)}
	}
	t.Table([]string{"STEP", "STATE", "ATTEMPTS", "STARTED", "TOOK", "RESULT OR ERROR"}, rows)
}

// printNewestSteps prints what lastSteps found.
func printNewestSteps(t *term.Terminal, p *sendoff.StepPage) {
	if p.Note != "" {
		t.Printf("%-12s%s\n", "steps", p.Note)
		return
	}
	if len(p.Items) == 0 {
		t.Printf("%-12snone\n", "steps")
		return
	}
	t.Printf("%-12s%s\n", "steps", stepCounts(p))
	printSteps(t, p.Items)
	if n := calltree.StepTotal(p) - len(p.Items); n > 0 {
		t.Printf("(%s before these: see sendoff tasks steps)\n", term.Counted(n, "step"))
	}
	t.Printf("\n")
}
