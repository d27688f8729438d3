package api

import (
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/task"
)

// Planned reads the task of a schedule, which is stored as POST /v1/tasks takes it, in the
// words of accept. task.Invalid.
func Planned(text []byte) (accept.Submission, error) {
	var req CreateRequest
	if len(text) == 0 || kindOf(text) != "object" {
		return accept.Submission{}, task.Invalid{{Message: `is missing: want a task as POST /v1/tasks takes it, such as {"url":"http://host/path"}`}}
	}
	if fault := decode(text, &req); fault != nil {
		var bad task.Invalid
		for _, e := range fault.Errors {
			bad = append(bad, task.FieldError{Field: e.Field, Message: e.Message})
		}
		if len(bad) == 0 {
			bad.Add("", "%s", fault.Detail)
		}
		return accept.Submission{}, bad
	}
	var bad task.Invalid
	sub := req.submission(&bad)
	accept.CheckPlanned(&bad, &sub)
	return sub, bad.Err()
}
