package tour

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// demo is one tour: the server, the app that it calls, and the tasks.
type demo struct {
	t      *term.Terminal
	server *host.Server
	client *sendoff.Client
	app    *demoApp
	mark   string // label of this tour's tasks
	tasks  []demoTask
	burst  burst
	began  time.Time
}

// demoTask is a task of the tour and what should become of it.
type demoTask struct {
	id       string
	scene    string
	state    sendoff.State
	reason   string
	attempts int
}

// burst is the batch whose delivery is timed.
type burst struct {
	tasks     int
	began     time.Time
	accepted  time.Duration
	delivered time.Duration
}

func (d *demo) list(ctx context.Context) (map[string]*sendoff.Task, error) {
	all := map[string]*sendoff.Task{}
	for task, err := range d.client.Tasks.List(ctx, sendoff.Filter{Labels: map[string]string{"demo": d.mark}}) {
		if err != nil {
			return nil, err
		}
		all[task.ID] = task
	}
	return all, nil
}
