package api

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/value"
)

// Step is a step of a durable function in an answer.
type Step struct {
	Name       string          `json:"name"`
	Key        string          `json:"key,omitempty" doc:"The idempotency key that the step has in the app (StepKey)."`
	State      string          `json:"state" enum:"running,succeeded,failed,interrupted,canceled" doc:"interrupted: it runs again when its function goes on. canceled: given up by the function, or with its end."`
	Site       string          `json:"site,omitempty" doc:"Where the code asks for it."`
	Attempts   uint64          `json:"attempts,omitempty" doc:"That it took; absent while it has no end."`
	StartedAt  string          `json:"started_at"`
	FinishedAt string          `json:"finished_at,omitempty"`
	Duration   string          `json:"duration,omitempty"`
	Result     json.RawMessage `json:"result,omitempty" scope:"payloads" doc:"What it returned, as JSON; what is no JSON has its type and base64."`
	Error      *FunctionError  `json:"error,omitempty" scope:"payloads"`
	Redacted   bool            `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// StepCounts is how many steps a function has by their state.
type StepCounts struct {
	Running     int `json:"running"`
	Succeeded   int `json:"succeeded"`
	Failed      int `json:"failed"`
	Interrupted int `json:"interrupted"`
	Canceled    int `json:"canceled"`
}

type stepsInput struct {
	ID     string `path:"id" doc:"Id of the task, an id chosen by the client, or its job number."`
	Order  string `query:"order" enum:"oldest,newest" default:"oldest" doc:"Which come first."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
}

type stepsReply struct {
	Body struct {
		Items      []Step     `json:"items"`
		Counts     StepCounts `json:"counts" doc:"Of all steps on record, not only this page."`
		NextCursor string     `json:"next_cursor,omitempty" doc:"There are more: a page ends at the limit, or at 1 MiB of results."`
		Note       string     `json:"note,omitempty" doc:"Why there are no steps, for instance because the SDK of the function keeps no journal."`
	}
}

func listSteps(ctx context.Context, functions Functions, in *stepsInput) (*stepsReply, error) {
	page, err := functions.Steps(ctx, in.ID, operate.StepQuery{Limit: in.Limit, Cursor: in.Cursor, Newest: in.Order == "newest"})
	if err != nil {
		return nil, problemOf(err)
	}
	out := &stepsReply{}
	out.Body.Items = make([]Step, len(page.Items))
	for i := range page.Items {
		out.Body.Items[i] = stepView(&page.Items[i])
	}
	out.Body.NextCursor, out.Body.Note = page.Next, page.Note
	out.Body.Counts = StepCounts{
		Running: page.Counts[operate.StepRunning], Succeeded: page.Counts[operate.StepSucceeded], Failed: page.Counts[operate.StepFailed],
		Interrupted: page.Counts[operate.StepInterrupted], Canceled: page.Counts[operate.StepCanceled],
	}
	return out, nil
}

func stepView(s *operate.Step) Step {
	v := Step{
		Name: s.Name, Key: s.Key, State: string(s.State), Site: s.Site, Attempts: s.Attempts,
		StartedAt: timeText(s.Begun), FinishedAt: timeText(s.Ended),
	}
	if s.Ended != 0 {
		v.Duration = (time.Duration(max(s.Ended-s.Begun, 0)) * time.Microsecond).String()
	}
	if s.Fail != nil {
		e := &sdkv1.Error{}
		if proto.Unmarshal(s.Fail, e) != nil {
			e = &sdkv1.Error{Message: "the recorded error cannot be read"}
		}
		v.Error = &FunctionError{Type: e.GetType(), Message: e.GetMessage(), Traceback: text(e.GetTraceback())}
		return v
	}
	v.Result = value.Any(s.Value.Any())
	return v
}
