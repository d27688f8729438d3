package console

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// newTask shows the form for a task: an empty one, or with ?from= one that makes a task
// again.
func (d *door) newTask(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	form := &pages.TaskForm{Kind: cmp.Or(q.Get("kind"), "http"), Values: url.Values{}}
	if queue := q.Get("queue"); queue != "" {
		form.Values.Set("queue", queue)
	}
	if from := q.Get("from"); from != "" {
		var t sendoff.Task
		if err := d.get(r.Context(), "/v1/tasks/"+url.PathEscape(from), nil, &t); err != nil {
			return err
		}
		form = pages.FormOf(&t, auth.May(r.Context(), auth.Payloads))
	}
	if !isKind(form.Kind) {
		return wrong("a task of the kind %q is not made here: want http, function, process or local", form.Kind)
	}
	form.Key = rand.Text()
	return d.write(w, r, http.StatusOK, pages.NewTask(d.frame(r, "New task"), form))
}

func isKind(kind string) bool {
	return slices.ContainsFunc(pages.TaskKinds, func(k [2]string) bool { return k[0] == kind })
}

// submitTask submits what was typed, once, and leads to the task. When that is not
// possible it shows the form again, with what was typed.
func (d *door) submitTask(w http.ResponseWriter, r *http.Request) error {
	v := r.PostForm
	form := &pages.TaskForm{Kind: v.Get("kind"), Values: v, From: v.Get("from"), Key: cmp.Or(v.Get("key"), rand.Text())}
	if !isKind(form.Kind) {
		return wrong("kind is %q: want http, function, process or local", form.Kind)
	}
	body, err := taskOf(v)
	var made sendoff.Task
	switch {
	case err != nil:
	case v.Get("do") == "show":
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		form.Curl = pages.CurlOf(text)
		return d.write(w, r, http.StatusOK, pages.NewTask(d.frame(r, "New task"), form))
	default:
		err = d.call(r.Context(), ask{method: http.MethodPost, path: "/v1/tasks", body: body, key: form.Key}, &made)
	}
	if err == nil {
		did := "submitted"
		if made.Dropped {
			did = "dropped"
		}
		done(w, r, "/tasks/"+url.PathEscape(made.ID), did)
		return nil
	}
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return err
	}
	form.Wrong = p
	return d.write(w, r, p.Status, pages.NewTask(d.frame(r, "New task"), form))
}

// targetFields are the fields that say what carries out a task of a kind.
var targetFields = map[string][]string{
	"http": {"url", "method"}, "function": {"function", "endpoint"}, "process": {"process", "workers"}, "local": {"handler"},
}

// fields are those of a request, by name.
type fields map[string]json.RawMessage

// text sets a field to a text, unless that is empty.
func (f fields) text(name, value string) {
	if value != "" {
		f[name] = quoted(value)
	}
}

// number sets a field to a number, unless nothing was typed.
func (f fields) number(name, value string) error {
	if value == "" {
		return nil
	}
	if _, err := strconv.Atoi(value); err != nil {
		return wrong("%s is %q: want a whole number", name, value)
	}
	f[name] = json.RawMessage(value)
	return nil
}

func quoted(value string) json.RawMessage {
	b, _ := json.Marshal(value) // a text can always be encoded
	return b
}

// taskOf is the request that a form is.
func taskOf(v url.Values) (fields, error) {
	f := fields{}
	if more := strings.TrimSpace(v.Get("more")); more != "" {
		if err := json.Unmarshal([]byte(more), &f); err != nil || f == nil {
			return nil, wrong(`other fields: %q is no JSON object: want one such as {"order_key":"invoice-7"}`, more)
		}
	}
	names := append([]string{"queue", "name", "id", "group", "timeout", "expires_at", "content_type"}, targetFields[v.Get("kind")]...)
	for _, name := range append(slices.Clone(names), "priority", "labels", "headers", "payload") {
		if _, twice := f[name]; twice && v.Get(name) != "" {
			return nil, wrong("%s is in its field and among the other fields: leave one out", name)
		}
	}
	for _, name := range names {
		f.text(name, strings.TrimSpace(v.Get(name)))
	}
	f.when(strings.TrimSpace(v.Get("when")))
	if err := f.number("priority", strings.TrimSpace(v.Get("priority"))); err != nil {
		return nil, err
	}
	if err := f.retry(strings.TrimSpace(v.Get("retry.max_attempts"))); err != nil {
		return nil, err
	}
	if err := f.pairs("labels", v.Get("labels"), "="); err != nil {
		return nil, err
	}
	if v.Get("kind") == "http" {
		if err := f.pairs("headers", v.Get("headers"), ":"); err != nil {
			return nil, err
		}
	}
	return f, f.payload(v.Get("payload_as"), typed(v.Get("payload")))
}

// when sets the time of the first attempt: a duration from now on, or a time.
func (f fields) when(value string) {
	if _, err := time.ParseDuration(value); err == nil {
		f.text("delay", value)
		return
	}
	f.text("run_at", value)
}

// retry sets how often it is tried, beside what else is said of retries.
func (f fields) retry(attempts string) error {
	if attempts == "" {
		return nil
	}
	inner := fields{}
	if given, ok := f["retry"]; ok && (json.Unmarshal(given, &inner) != nil || inner == nil) {
		return wrong(`retry is %s: want an object such as {"min_backoff":"10s"}`, given)
	}
	if err := inner.number("max_attempts", attempts); err != nil {
		return err
	}
	b, err := json.Marshal(inner)
	f["retry"] = b
	return err
}

// pairs sets a field to an object, of which each line is a name and its value.
func (f fields) pairs(name, typed, between string) error {
	all, err := pairsOf(name, typed, between)
	if err != nil || len(all) == 0 {
		return err
	}
	b, err := json.Marshal(all)
	f[name] = b
	return err
}

func pairsOf(name, typed, between string) (map[string]string, error) {
	all := map[string]string{}
	for line := range strings.Lines(typed) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, between)
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, wrong("%s: %q is no line of it: want name%svalue", name, line, between)
		}
		if _, twice := all[key]; twice {
			return nil, wrong("%s: %q is there twice", name, key)
		}
		all[key] = strings.TrimSpace(value)
	}
	return all, nil
}

// payload sets what the task carries.
func (f fields) payload(as, typed string) error {
	switch {
	case typed == "":
	case as == "base64":
		f.text("body_base64", strings.Join(strings.Fields(typed), ""))
	case as == "text":
		f.text("body_base64", base64.StdEncoding.EncodeToString([]byte(typed)))
		if _, said := f["content_type"]; !said {
			f.text("content_type", "text/plain; charset=utf-8")
		}
	case !json.Valid([]byte(typed)):
		return wrong("payload is no JSON: mend it, or say that it is text")
	default:
		f["payload"] = json.RawMessage(typed)
	}
	return nil
}

// typed is a text as it was typed: forms end lines with two characters.
func typed(value string) string { return strings.ReplaceAll(value, "\r\n", "\n") }
