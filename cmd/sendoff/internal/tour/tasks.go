package tour

import (
	"context"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// scene is a group of tasks that go the same way.
type scene struct {
	name   string
	n      int
	path   string
	change func(i int, t *sendoff.NewTask)
	want   demoTask
}

func scenes() []scene {
	quick := &sendoff.RetryPolicy{MaxAttempts: 3, MinBackoff: 300 * time.Millisecond}
	return []scene{
		{"answered with 200", 60, "/ok", func(i int, t *sendoff.NewTask) { t.Priority = new(i % 10) }, demoTask{state: sendoff.StateSucceeded, attempts: 1}},
		{"500, 500, then 200", 20, "/flaky", func(_ int, t *sendoff.NewTask) { t.Retry = quick }, demoTask{state: sendoff.StateSucceeded, attempts: 3}},
		{"429 with Retry-After", 10, "/busy", nil, demoTask{state: sendoff.StateSucceeded, attempts: 1}},
		{"422: never again", 10, "/wrong", nil, demoTask{state: sendoff.StateFailed, reason: "rejected", attempts: 1}},
		{"500 for ever", 5, "/broken", func(_ int, t *sendoff.NewTask) { t.Retry = quick }, demoTask{state: sendoff.StateFailed, reason: "exhausted", attempts: 3}},
		{"slow, 1.5 s each", 20, "/slow", func(_ int, t *sendoff.NewTask) { t.Queue = "reports" }, demoTask{state: sendoff.StateSucceeded, attempts: 1}},
		{"delayed by 1 to 4 s", 30, "/ok", func(i int, t *sendoff.NewTask) { t.Delay = time.Duration(1000+100*i) * time.Millisecond }, demoTask{state: sendoff.StateSucceeded, attempts: 1}},
		{"called in Go, no HTTP", 30, "", func(i int, t *sendoff.NewTask) {
			t.URL, t.Handler, t.Payload = "", "demo.greet", map[string]string{"Name": fmt.Sprintf("guest %d", i)}
		}, demoTask{state: sendoff.StateSucceeded, attempts: 1}},
	}
}

const burstSize = 300

// submit hands all tasks over, as clients do: some in a batch, most one by one.
func (d *demo) submit(ctx context.Context) error {
	if err := d.submitBurst(ctx); err != nil {
		return err
	}
	for _, s := range scenes() {
		for i := range s.n {
			t := sendoff.NewTask{URL: d.app.url + s.path, Payload: map[string]any{"scene": s.name, "n": i}}
			if s.change != nil {
				s.change(i, &t)
			}
			task, err := d.send(ctx, s.name, t)
			if err != nil {
				return err
			}
			d.expect(task.ID, s.name, s.want)
		}
		d.t.Printf("%-24s%4d tasks submitted\n", s.name, s.n)
	}
	return d.submitOdd(ctx)
}

func (d *demo) send(ctx context.Context, scene string, t sendoff.NewTask) (*sendoff.Task, error) {
	t.Name, t.Labels = scene, map[string]string{"demo": d.mark}
	return d.client.Submit(ctx, t)
}

func (d *demo) expect(id, scene string, want demoTask) {
	want.id, want.scene = id, scene
	d.tasks = append(d.tasks, want)
}

// submitBurst submits a batch in one transaction and waits until all of it was
// delivered, with nothing else to do: what a backlog takes.
func (d *demo) submitBurst(ctx context.Context) error {
	const name = "one batch, 200"
	tasks := make([]sendoff.NewTask, burstSize)
	for i := range tasks {
		tasks[i] = sendoff.NewTask{URL: d.app.url + "/burst", Name: name, Labels: map[string]string{"demo": d.mark}, Payload: map[string]int{"n": i}}
	}
	d.burst = burst{tasks: len(tasks), began: time.Now()}
	items, err := d.client.SubmitMany(ctx, tasks, true)
	if err != nil {
		return err
	}
	d.burst.accepted = time.Since(d.burst.began)
	for _, item := range items {
		if item.Task == nil {
			return fmt.Errorf("a task of the batch is %s: %w", item.Status, item.Error)
		}
		d.expect(item.Task.ID, name, demoTask{state: sendoff.StateSucceeded, attempts: 1})
	}
	d.t.Printf("%-24s%4d tasks submitted\n", name, len(tasks))
	for _, item := range items {
		if _, err := d.client.Wait(ctx, item.Task.ID); err != nil {
			return err
		}
	}
	d.burst.delivered = d.app.lastOfBurst().Sub(d.burst.began)
	return nil
}

// submitOdd shows the keys of a task, a cancel and a run now.
func (d *demo) submitOdd(ctx context.Context) error {
	later := sendoff.NewTask{URL: d.app.url + "/ok", Delay: time.Hour}
	task, err := d.send(ctx, "due in 1 h, canceled", later)
	if err != nil {
		return err
	}
	if _, err := d.client.Tasks.Cancel(ctx, task.ID); err != nil {
		return err
	}
	d.expect(task.ID, "due in 1 h, canceled", demoTask{state: sendoff.StateCanceled, reason: "requested"})
	if task, err = d.send(ctx, "due in 1 h, run now", later); err != nil {
		return err
	}
	if _, err := d.client.Tasks.Run(ctx, task.ID); err != nil {
		return err
	}
	d.expect(task.ID, "due in 1 h, run now", demoTask{state: sendoff.StateSucceeded, attempts: 1})
	if err := d.repeat(ctx, "one unique key", func(t *sendoff.NewTask) { t.Unique = &sendoff.Unique{Key: "invoice-7-" + d.mark} }); err != nil {
		return err
	}
	return d.repeat(ctx, "one Idempotency-Key", func(t *sendoff.NewTask) { t.IdempotencyKey = "request-7-" + d.mark })
}

// repeat submits the same ten times under a key, and finds one task.
func (d *demo) repeat(ctx context.Context, scene string, key func(*sendoff.NewTask)) error {
	var id string
	for i := range 10 {
		t := sendoff.NewTask{URL: d.app.url + "/slow"}
		key(&t)
		task, err := d.send(ctx, scene, t)
		if err != nil {
			return err
		}
		if i > 0 && (task.ID != id || !task.Existing && !task.Replayed) {
			return fmt.Errorf("%s: submission %d made another task", scene, i+1)
		}
		id = task.ID
	}
	d.expect(id, scene, demoTask{state: sendoff.StateSucceeded, attempts: 1})
	d.t.Printf("%-24s%4d submissions, 1 task\n", scene, 10)
	return nil
}
