package push

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Permanent marks an error as one that no retry can heal: the task fails at once,
// with reason rejected. Permanent(nil) is nil.
func Permanent(err error) error { return task.Permanent(err) }

// RetryAfter marks an error with the time to wait before the next attempt, in place
// of the task's backoff. It is rounded up to seconds and cut at 24 hours.
// RetryAfter(nil, d) is nil.
func RetryAfter(err error, wait time.Duration) error { return task.RetryAfter(err, wait) }

// Snooze is an error that has the task pushed again after a while, rounded up to
// seconds. No attempt is spent; the task's maximal age bounds how often.
func Snooze(wait time.Duration) error { return task.SnoozeFor(wait) }

// HandlerFunc carries out a task. It is an http.Handler that answers with what the
// function returns:
//
//   - nil: what the function wrote, 204 when it wrote nothing. The task has
//     succeeded, unless the function answered otherwise itself;
//   - [Permanent]: 422, the task has failed;
//   - [RetryAfter]: 500, the next attempt is at that time;
//   - [Snooze]: 503, the same, no attempt is spent, and no other task is held back for it;
//   - any other error: 500, the next attempt is after the backoff.
//
// The text of the error is the body, which the server keeps with the attempt. When
// the function returns an error after it has begun to write, the answer breaks off,
// which counts as a failed attempt.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements http.Handler.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w}
	err := f(a, r)
	switch {
	case err == nil && !a.begun:
		w.WriteHeader(http.StatusNoContent)
	case err == nil:
	case a.begun:
		panic(http.ErrAbortHandler) // a status on its way cannot be taken back
	default:
		refuseTask(w, err)
	}
}

func refuseTask(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	wait, snooze := task.Wait(err)
	switch {
	case task.IsPermanent(err):
		status, wait = http.StatusUnprocessableEntity, 0
		w.Header().Set(HeaderRetry, "no")
	case snooze:
		status, wait = http.StatusServiceUnavailable, max(wait, 1)
		w.Header().Set(HeaderRetry, "yes") // this task: the app is well
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
	}
	http.Error(w, strings.ToValidUTF8(err.Error(), "?"), status)
}

// Manual answers that the task is taken and that its end is told later, by
// sendoff.Tasks.Complete or Fail with the task's id and token, within a time: 1 s to 24 h, 0 = the
// task's timeout. Until then it is running; when nobody has told by then, the attempt has failed.
// A [HandlerFunc] returns nil after it.
func Manual(w http.ResponseWriter, within time.Duration) {
	w.Header().Set(HeaderAck, "manual")
	if within > 0 {
		w.Header().Set(HeaderAckTimeout, within.String())
	}
	w.WriteHeader(http.StatusAccepted)
}

// answer notes whether it has begun.
type answer struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.begun = a.begun || status >= 200 // not by what is said in advance
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.begun = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}
