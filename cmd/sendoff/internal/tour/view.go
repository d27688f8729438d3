package tour

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// watch shows the tasks until all have ended: a table that is redrawn on a
// terminal, a line a second in a pipe.
func (d *demo) watch(ctx context.Context) error {
	d.t.Printf("\n")
	every := time.Second
	if d.t.Live {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for lines := 0; ; {
		counts, err := d.counts(ctx)
		if err != nil {
			return err
		}
		if lines > 0 {
			d.t.Printf("\x1b[%dA\x1b[J", lines)
		}
		lines = d.draw(counts)
		if counts[sendoff.StateSucceeded]+counts[sendoff.StateFailed]+counts[sendoff.StateCanceled] == len(d.tasks) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not all tasks had ended: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (d *demo) counts(ctx context.Context) (map[sendoff.State]int, error) {
	all, err := d.list(ctx)
	counts := map[sendoff.State]int{}
	for _, task := range all {
		counts[task.State]++
	}
	return counts, err
}

// draw prints the state of things and returns how many lines are to be redrawn.
func (d *demo) draw(counts map[sendoff.State]int) int {
	states := []sendoff.State{sendoff.StateScheduled, sendoff.StateReady, sendoff.StateRunning, sendoff.StateSucceeded, sendoff.StateFailed, sendoff.StateCanceled}
	answers := d.app.statuses()
	var given []string
	for _, status := range slices.Sorted(maps.Keys(answers)) {
		given = append(given, fmt.Sprintf("%d x %d", answers[status], status))
	}
	if !d.t.Live {
		var parts []string
		for _, s := range states {
			parts = append(parts, fmt.Sprintf("%s %d", s, counts[s]))
		}
		d.t.Printf("%4.1f s  %s | answers: %s\n", time.Since(d.began).Seconds(), strings.Join(parts, ", "), strings.Join(given, ", "))
		return 0
	}
	for _, s := range states {
		name, n := string(s), counts[s]
		d.t.Printf("%-11s%5d  %s\n", name, n, d.t.Paint(name, strings.Repeat("#", (n*50+len(d.tasks)-1)/max(len(d.tasks), 1))))
	}
	d.t.Printf("%-11s       %s\n", "answers", strings.Join(given, ", "))
	return len(states) + 1
}
