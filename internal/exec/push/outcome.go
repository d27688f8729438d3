package push

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/retryafter"
	"github.com/sendoff-dev/sendoff/task"
)

// outcome reads the status line and the headers of an answer.
func (p *Pusher) outcome(what string, r *http.Response) task.Outcome {
	o := task.Outcome{Code: int32(r.StatusCode), Class: byStatus(r)}
	if o.Class != task.Success {
		o.RetryAfter, _ = retryafter.Of(r.Header, p.config.Now())
		if o.RetryAfter > 0 && (r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable) {
			o.Class = task.Throttle
		}
	}
	wish := strings.ToLower(strings.TrimSpace(r.Header.Get("Sendoff-Retry")))
	switch {
	case wish == "no" && o.Class != task.Success:
		o.Class = task.Reject
	case wish == "yes" && o.Class != task.Throttle:
		o.Class = task.Failure
		o.RetryAfter, _ = retryafter.Of(r.Header, p.config.Now())
	}
	if o.Class != task.Success {
		o.Error = what + ": " + statusText(r.StatusCode)
	}
	return o
}

func byStatus(r *http.Response) task.Class {
	switch status := r.StatusCode; {
	case status >= 200 && status < 300:
		return task.Success
	case status == 489 && strings.EqualFold(r.Header.Get("Upstash-NonRetryable-Error"), "true"):
		return task.Reject
	}
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone,
		http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return task.Reject
	}
	return task.Failure
}

func statusText(status int) string {
	text := strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
	switch {
	case status >= 200 && status < 300:
		return text + ", asked to be tried again"
	case status >= 300 && status < 400:
		return text + ", redirects are not followed"
	}
	return text
}

// within is how long the app has to tell how the attempt ends, when its answer says that it will:
// as long as it asks for, otherwise as long as an attempt may take. 0 = the answer is the end.
func within(r *http.Response, timeout time.Duration) time.Duration {
	if r.StatusCode != http.StatusAccepted || !strings.EqualFold(strings.TrimSpace(r.Header.Get("Sendoff-Ack")), "manual") {
		return 0
	}
	if asked, err := task.ParseDuration(strings.TrimSpace(r.Header.Get("Sendoff-Ack-Timeout"))); err == nil && asked > 0 {
		timeout = asked
	}
	return min(max(timeout, task.MinTimeout), task.MaxTimeout)
}
