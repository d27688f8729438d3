package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
)

const waitParameter = "wait"

// waitForEnd is how long the answer to a submission is held back for the end of the
// task; who may only submit may not see that.
func waitForEnd(r *http.Request) (time.Duration, *problem.Problem) {
	wait, err := waitOf(r.URL.Query().Get(waitParameter))
	if err != nil {
		return 0, problemOf(err)
	}
	if wait > 0 && !auth.May(r.Context(), auth.Read) {
		return 0, lacks(auth.Read, "wait shows what became of the task: this key has no scope "+auth.Read.String()+"; submit without it")
	}
	return wait, nil
}

// atItsEnd is a task that was just submitted when it has ended, or as it is after the
// time. The submission counts whatever comes after it: when that cannot be read, or
// who asks has gone, it is the task as it was accepted.
func (c *creator) atItsEnd(ctx context.Context, accepted *Task, sub *accept.Submission, res *accept.Result, end *operate.Expected, wait time.Duration) *Task {
	reply, err := c.ended(ctx, sub, res, end, wait)
	if err != nil {
		return accepted
	}
	reply.Body.Dropped = accepted.Dropped
	return &reply.Body
}

func (c *creator) ended(ctx context.Context, sub *accept.Submission, res *accept.Result, end *operate.Expected, wait time.Duration) (*taskReply, error) {
	if res.Status == store.Created {
		t, err := end.Wait(ctx, wait)
		if err != nil {
			return nil, err
		}
		return taskWith(ctx, c.cfg, &t, sub.Payload)
	}
	t, err := c.tasks.Wait(ctx, res.ID.String(), wait)
	if err != nil {
		return nil, err
	}
	return wholeTask(ctx, c.cfg, &t)
}
