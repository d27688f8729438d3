package function

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/retryafter"
	"github.com/sendoff-dev/sendoff/task"
)

// read finds the result in an answer; nil and why there is none otherwise.
func (r *run) read(a *answer) (*sdkv1.RunResponse, verdict) {
	switch {
	case a.status != http.StatusOK:
		return nil, r.refused(a)
	case a.large && isProto(a.header.Get("Content-Type")): // the same function gives the same result
		v := r.fail(sdkv1.Status_STATUS_INVALID_RESPONSE, http.StatusOK, a.fault+": return less, or keep it elsewhere and return where")
		v.effect = pace.Hold
		return nil, v
	case a.fault != "":
		return nil, r.invalid(a.fault)
	case !isProto(a.header.Get("Content-Type")):
		return nil, r.invalid(fmt.Sprintf("the answer is of type %.60q, not %s: is this the address of the app's Dispatch endpoint?", a.header.Get("Content-Type"), contentType))
	}
	m := &sdkv1.RunResponse{}
	if err := proto.Unmarshal(a.body, m); err != nil {
		return nil, r.invalid("the answer cannot be decoded as a RunResponse")
	}
	report := m.GetReport()
	if m.GetDirective() == nil && meaningOf(m.GetStatus()).class == task.Success && report.GetMismatch() == "" && !report.GetNeedJournal() {
		return nil, r.invalid("the answer says neither that the function has ended nor what it waits for")
	}
	return m, verdict{}
}

func isProto(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/proto", "application/protobuf", "application/x-protobuf":
		return true
	}
	return false
}

// invalid is the verdict for an answer that makes no sense. It may be the page
// of a proxy, so the call is given up only when it comes again and again.
func (r *run) invalid(text string) verdict {
	v := r.fail(sdkv1.Status_STATUS_INVALID_RESPONSE, http.StatusOK, text)
	v.effect = pace.Hold
	if r.memory.failed(r.task.ID) < invalidInARow {
		v.outcome.Class = task.Failure
	}
	return v
}

// refused is the verdict for an answer of any status but 200.
func (r *run) refused(a *answer) verdict {
	reason := complaintOf(a)
	text := statusText(a.status)
	if reason.Code != "" || reason.Message != "" {
		text = fmt.Sprintf("%s: %s: %s", text, reason.Code, short(reason.Message))
	}
	wait, _ := retryafter.Of(a.header, r.cfg.Now())
	switch a.status {
	case http.StatusCreated, http.StatusAccepted, http.StatusNonAuthoritativeInfo, http.StatusNoContent:
		return r.invalid(text + ": only 200 carries an answer")
	case http.StatusTooManyRequests:
		v := r.fail(sdkv1.Status_STATUS_THROTTLED, a.status, text)
		v.outcome.RetryAfter = wait
		return v
	case http.StatusRequestTimeout:
		return r.fail(sdkv1.Status_STATUS_TIMEOUT, a.status, text)
	case http.StatusBadRequest:
		return r.fail(sdkv1.Status_STATUS_INVALID_ARGUMENT, a.status, text)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return r.shutOut(a.status, reason.Code, text, wait)
	}
	if a.status < 500 || a.status == http.StatusNotImplemented {
		return r.fail(sdkv1.Status_STATUS_PERMANENT_ERROR, a.status, text)
	}
	v := r.fail(sdkv1.Status_STATUS_TEMPORARY_ERROR, a.status, text)
	v.outcome.RetryAfter = wait
	v.plain = a.status == http.StatusInternalServerError && reason.Code == "" && !r.state.ours && !r.endpoint.Own.ours()
	if v.plain && r.task.LastCode == http.StatusInternalServerError {
		v.effect = pace.Hold // again: it tells of the call
	}
	if v.plain && r.stuck() {
		v.outcome.Progress = &task.Progress{Restart: true}
		v.outcome.Error += ", " + strconv.Itoa(restartFailures) + " times in a row when it was to go on: it is begun again from its input"
	}
	return v
}

// stuck tells whether a plain 500 is how dispatch-py says that it cannot read
// its own state: on a resume, again and again. Sendoff's SDK never says it so.
func (r *run) stuck() bool {
	return r.resumed && r.task.LastCode == http.StatusInternalServerError &&
		r.task.Failures+1 >= restartFailures && !r.cfg.keepsState(r.spec.Endpoint) && r.memory.restart(r.task.ID)
}

// shutOut is the verdict for 401, 403 and 404: the endpoint did not run the
// function. Only "there is no such function", in the protocol's words, is about
// this call; everything else is about us and the endpoint, and may heal.
func (r *run) shutOut(status int, code, text string, wait time.Duration) verdict {
	s := map[int]sdkv1.Status{
		http.StatusUnauthorized: sdkv1.Status_STATUS_UNAUTHENTICATED, http.StatusForbidden: sdkv1.Status_STATUS_PERMISSION_DENIED,
		http.StatusNotFound: sdkv1.Status_STATUS_NOT_FOUND,
	}[status]
	v := r.fail(s, status, text)
	if r.cfg.Strict {
		return v
	}
	if status == http.StatusNotFound && code == "not_found" {
		v.answers = true
		return v
	}
	v.outcome.Class, v.outcome.Why, v.outcome.RetryAfter = task.Throttle, task.Refused, max(wait, pace.FirstPause)
	v.outcome.Answer.Body = nil
	v.effect, v.pause = pace.Hold, text
	return v
}

// complaint is the JSON of an error of the Connect protocol.
type complaint struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func complaintOf(a *answer) (c complaint) {
	if !isConnectError(a.header.Get("Content-Type")) || json.Unmarshal(a.body, &c) != nil {
		return complaint{}
	}
	if len(c.Code) > 40 {
		return complaint{}
	}
	return c
}

func statusText(status int) string {
	text := strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
	if status >= 300 && status < 400 {
		return text + ", redirects are not followed"
	}
	return text
}
