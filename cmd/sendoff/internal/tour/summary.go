package tour

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// summary prints what became of the tasks and compares it with what should.
func (d *demo) summary(ctx context.Context) error {
	all, err := d.list(ctx)
	if err != nil {
		return err
	}
	var order []string
	ended, faults := map[string]map[string]int{}, []error{}
	for _, want := range d.tasks {
		if ended[want.scene] == nil {
			ended[want.scene] = map[string]int{}
			order = append(order, want.scene)
		}
		task := all[want.id]
		if task == nil {
			faults = append(faults, fmt.Errorf("%s: task %s is gone", want.scene, want.id))
			continue
		}
		ended[want.scene][fmt.Sprintf("%s, %s", term.State(task), term.Attempts(task.Attempts))]++
		if task.State != want.state || task.Reason != want.reason || want.attempts != 0 && task.Attempts != want.attempts {
			faults = append(faults, fmt.Errorf("%s: task %s is %s after %d attempts: want %s %s after %d", want.scene, want.id,
				term.State(task), task.Attempts, want.state, want.reason, want.attempts))
		}
	}
	d.outcomes(order, ended)
	d.figures(all)
	if err := d.example(ctx); err != nil {
		return err
	}
	d.explore()
	if extra := len(all) - len(d.tasks); extra != 0 {
		faults = append(faults, fmt.Errorf("%d tasks were made, want %d", len(all), len(d.tasks)))
	}
	return errors.Join(faults...)
}

func (d *demo) outcomes(order []string, ended map[string]map[string]int) {
	var rows [][]string
	for _, scene := range order {
		for end, n := range ended[scene] {
			rows = append(rows, []string{scene, fmt.Sprint(n), end})
		}
	}
	d.t.Printf("\n")
	d.t.Table([]string{"WHAT", "TASKS", "BECAME"}, rows)
}

func (d *demo) figures(all map[string]*sendoff.Task) {
	b := d.burst
	d.t.Printf("\n%d tasks in one batch: on disk after %s, all delivered after %s: %.0f tasks/s\n", b.tasks, term.Short(b.accepted), term.Short(b.delivered),
		float64(b.tasks)/max(b.delivered.Seconds(), 0.001))
	var waits []time.Duration
	for _, want := range d.tasks {
		task := all[want.id]
		pushed, ok := d.app.firstPush(want.id)
		if ok && task != nil && strings.HasPrefix(want.scene, "answered") {
			waits = append(waits, max(pushed.Sub(task.CreatedAt), 0))
		}
	}
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	p := func(share float64) string {
		return waits[int(share*float64(len(waits)-1))].Round(100 * time.Microsecond).String()
	}
	d.t.Printf("single tasks, from submission to the app: p50 %s, p99 %s\n", p(0.5), p(0.99))
	d.t.Printf("everything in %s\n", time.Since(d.began).Round(100*time.Millisecond))
}

func (d *demo) example(ctx context.Context) error {
	i := slices.IndexFunc(d.tasks, func(t demoTask) bool { return t.attempts == 3 && t.state == sendoff.StateSucceeded })
	if i < 0 {
		return nil
	}
	var attempts []*sendoff.Attempt
	for a, err := range d.client.Tasks.Attempts(ctx, d.tasks[i].id) {
		if err != nil {
			return err
		}
		attempts = append(attempts, a)
	}
	d.t.Printf("\nOne of them, whose app was down twice: %s\n", d.tasks[i].id)
	term.PrintAttempts(d.t, attempts)
	return nil
}

func (d *demo) explore() {
	if !d.t.Live {
		return
	}
	d.t.Printf("\nExplore:  %[1]s/ in a browser, or\n  export SENDOFF_URL=%[1]s\n  sendoff tasks list --state failed\n  sendoff queues stats\n  curl $SENDOFF_URL/openapi.json\n", d.server.URL())
}
