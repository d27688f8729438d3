package function

import (
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// canceling tells whether the call was canceled and is run only to undo what it did.
func (r *run) canceling() bool { return r.task.Flags&store.FlagCanceling != 0 }

// canceled ends a call that was canceled, unless it waits or is to be tried again:
// undoing is not over then. Nobody waits for its calls any more.
func canceled(o *task.Outcome) {
	p := o.Progress
	switch o.Class {
	case task.Success, task.Continue:
		o.Error = ""
	case task.Reject:
		if strings.HasPrefix(o.Error, "canceled: ") {
			o.Error = ""
		}
	case task.Expire, task.Cancel:
		o.Error = "there was no time left to undo what it did"
	default:
		if p == nil || !p.Restart && p.Next == nil {
			return
		}
	}
	text := "the call was canceled"
	if o.Error != "" {
		text += "; " + o.Error
	}
	o.Class, o.Error, o.Progress = task.Cancel, text, &task.Progress{CancelOpen: true}
	if p != nil {
		o.Progress.Append = p.Append
	}
}
