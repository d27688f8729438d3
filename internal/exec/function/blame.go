package function

import (
	"context"
	"fmt"
	"net/http"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/task"
)

// A call may be what ends the app that serves it: it takes its memory, or panics where
// nobody recovers. All calls that are under way there lose their connections with it,
// so a call is to blame only when nothing else was. After suspectBreaks in a row it gets
// the host to itself to find that out: for apartLength, which doubles with each further
// one, since it may take longer to do its damage. Others wait no longer than that.
const (
	suspectBreaks = 2
	apartPatience = 5 * time.Second // for the runs under way to end, before it runs beside them
	apartLength   = 10 * time.Second
	maxApart      = 5 * time.Minute
)

// room waits for a place among the runs of the host.
func (r *run) room(ctx context.Context) (pace.Ticket, bool) {
	breaks := max(r.memory.breaks(r.task.ID), int(r.task.Crashes))
	if breaks >= suspectBreaks {
		length := min(apartLength<<min(breaks-suspectBreaks, 10), maxApart)
		if t, ok := r.endpoint.Limiter.AcquireApart(ctx, apartPatience, length); ok {
			return t, true
		}
	}
	return r.endpoint.Limiter.Acquire(ctx, patience)
}

// blame tells whether the call is what its endpoint breaks down of, and gives it up when
// that is so for the task.BlameBudget-th time in a row. The count is stored with the task:
// nodes add to it, and one that is started anew goes on with it.
func (r *run) blame(v *verdict, alone bool) {
	count := r.task.Crashes + 1
	switch {
	case v.answers:
		r.memory.unbroken(r.task.ID)
		r.endpoint.Own.clear()
		v.outcome.Blame = task.Cleared
		return
	case v.broke && v.outcome.Class == task.Failure:
		r.memory.broke(r.task.ID)
		if !alone {
			return
		}
	case v.plain && v.outcome.Class == task.Failure:
		if !r.endpoint.Own.accuse(r.task.ID) {
			return
		}
	default:
		return
	}
	v.outcome.Blame = task.Guilty
	if count < 2 {
		return
	}
	status, code, text := sdkv1.Status_STATUS_TCP_ERROR, 0, fmt.Sprintf(
		"the connection was closed before the end of the answer, %d times in a row while nothing else was under way there: this call may be what ends the app that serves it", count)
	if v.plain {
		status, code, text = sdkv1.Status_STATUS_TEMPORARY_ERROR, http.StatusInternalServerError, fmt.Sprintf(
			"500 Internal Server Error, %d times in a row for this call alone: so dispatch-py answers when it cannot pass on what the function returned or raised, as an exception class that cannot be unpickled", count)
	}
	if count >= task.BlameBudget {
		text += "; it is given up"
	}
	told := r.fail(status, code, text).outcome
	v.outcome.Error, v.outcome.Answer = told.Error, told.Answer
	if p := v.outcome.Progress; p != nil && p.Restart {
		v.outcome.Error += "; it is begun again from its input"
	}
}
