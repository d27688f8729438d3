package pages

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// TaskForm is what is typed of a task to submit.
type TaskForm struct {
	Kind   string           // one of TaskKinds
	Values url.Values       // as they were typed
	From   string           // id of the task that it repeats; "" = none
	Left   []string         // what is not repeated of that one
	Key    string           // names the form, so that it is submitted once
	Curl   string           // the same as a command; "" = not asked for
	Wrong  *problem.Problem // why it was not submitted; nil = it was not tried
}

// ChangeForm is what is typed of a change to a task.
type ChangeForm struct {
	Task        sendoff.Task
	Was, Values url.Values // as the task stood when it was first shown, and as they were typed
	Wrong       *problem.Problem
}

// TaskKinds are the kinds of tasks that can be submitted, with what people call them.
var TaskKinds = [][2]string{{"http", "HTTP request"}, {"function", "Durable function"}, {"process", "Worker process"}, {"local", "Go handler"}}

// payloadForms are how a payload can be typed, with what people call them.
var payloadForms = [][2]string{{"json", "JSON"}, {"text", "Text"}, {"base64", "Bytes, in base64"}}

// ChangeFields are the fields of a change, but for labels and the payload.
var ChangeFields = []string{"run_at", "expires_at", "queue", "priority", "timeout", "retry.max_attempts"}

// FormOf is a form that makes a task again. carried tells whether what it carries is
// known.
func FormOf(t *sendoff.Task, carried bool) *TaskForm {
	v := url.Values{}
	for name, value := range map[string]string{
		"url": t.URL, "method": t.Method, "function": t.Function, "endpoint": t.Endpoint, "process": t.Process, "workers": t.Workers, "handler": t.Handler,
		"queue": t.Queue, "name": t.Name, "group": t.Group, "priority": text(t.Priority), "content_type": t.ContentType, "timeout": duration(t.Timeout),
		"headers": Lines(t.Headers, ": "), "labels": Lines(t.Labels, "="), "more": others(t),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if t.MaxAttempts > 0 {
		v.Set("retry.max_attempts", text(t.MaxAttempts))
	}
	as, typed := typedPayload(t)
	v.Set("payload_as", as)
	v.Set("payload", typed)
	f := &TaskForm{Kind: t.Kind, Values: v, From: t.ID}
	for _, of := range []struct {
		is   bool
		what string
	}{
		{!carried, "its payload and headers, for which your key has no scope payloads"},
		{t.UniqueKey != "", "its unique key"},
		{len(t.DependsOn) > 0, "the tasks that it came after"},
		{t.OnSuccess != nil || t.OnFailure != nil || t.OnComplete != nil, "its callbacks"},
	} {
		if of.is {
			f.Left = append(f.Left, of.what)
		}
	}
	return f
}

// typedPayload is the payload of a task as it would be typed.
func typedPayload(t *sendoff.Task) (as, typed string) {
	if len(t.PayloadRaw) > 0 {
		return "base64", base64.StdEncoding.EncodeToString(t.PayloadRaw)
	}
	media, _, _ := mime.ParseMediaType(t.ContentType)
	var plain string
	if media != "application/json" && media != "" && !strings.HasSuffix(media, "+json") && json.Unmarshal(t.Payload, &plain) == nil {
		return "text", plain
	}
	return "json", indented(t.Payload)
}

// indented is JSON with its lines apart and its numbers as they are.
func indented(b json.RawMessage) string {
	var out strings.Builder
	if len(b) == 0 {
		return ""
	}
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(b); err != nil {
		return string(b)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// others are the fields of a task that a form has no field for, as JSON.
func others(t *sendoff.Task) string {
	fields := map[string]any{}
	for name, value := range map[string]string{"order_key": t.OrderKey, "on_duplicate": t.OnDuplicate, "duplicate_key": t.DuplicateKey} {
		if value != "" {
			fields[name] = value
		}
	}
	if len(t.Limits) > 0 {
		fields["limits"] = t.Limits
	}
	if t.Retention != nil {
		fields["retention"] = t.Retention
	}
	if t.Once {
		fields["once"] = true
	}
	if t.Retry != nil {
		again := *t.Retry
		again.MaxAttempts = 0
		fields["retry"] = again
	}
	if len(fields) == 0 {
		return ""
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// StandingOf are the fields of a change as a task stands. Those of a payload that cannot
// be typed, or is too long for a form, are left out.
func StandingOf(t *sendoff.Task) url.Values {
	v := url.Values{"queue": {t.Queue}, "priority": {text(t.Priority)}, "timeout": {duration(t.Timeout)}, "labels": {Lines(t.Labels, "=")}}
	if t.MaxAttempts > 0 {
		v.Set("retry.max_attempts", text(t.MaxAttempts))
	}
	at := t.NextAt
	if at.IsZero() {
		at = t.RunAt
	}
	for name, at := range map[string]time.Time{"run_at": at, "expires_at": t.ExpiresAt} {
		if !at.IsZero() {
			v.Set(name, machine(at))
		}
	}
	if as, typed := typedPayload(t); as == "json" && len(typed) <= shownMost {
		v.Set("payload", typed)
	}
	return v
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Lines are names with their values, a line for each.
func Lines(m map[string]string, between string) string {
	var out []string
	for _, pair := range sortedPairs(m) {
		out = append(out, pair[0]+between+pair[1])
	}
	return strings.Join(out, "\n")
}

// CurlOf is a request that submits a task, as a command.
func CurlOf(body []byte) string {
	return "curl -s \"$SENDOFF_URL/v1/tasks\" -H \"Authorization: Bearer $SENDOFF_API_KEY\" \\\n  -d '" + strings.ReplaceAll(indented(body), "'", `'\''`) + "'"
}

// rowsOf is how high a field for a text is.
func rowsOf(value string, least int) string {
	return text(min(max(strings.Count(value, "\n")+1, least), 24))
}

// startable tells whether no attempt of the run of a task has begun.
func startable(t *sendoff.Task) bool {
	return t.Attempts == 0 && slices.Contains([]sendoff.State{sendoff.StateReady, sendoff.StateScheduled, sendoff.StateBlocked}, t.State)
}

// repeatable tells whether a task is of a kind that a form can make.
func repeatable(t *sendoff.Task) bool {
	return slices.ContainsFunc(TaskKinds, func(k [2]string) bool { return k[0] == t.Kind })
}

// payloadHint says why there is no payload to change.
func payloadHint(form *ChangeForm) string {
	if form.Was.Get("payload") != "" {
		return ""
	}
	return "not shown here: it stays unless you type one"
}
