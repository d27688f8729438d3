package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// changeForm shows what can be changed of a task that has not started.
func (d *door) changeForm(w http.ResponseWriter, r *http.Request) error {
	var form pages.ChangeForm
	if err := d.get(r.Context(), "/v1/tasks/"+url.PathEscape(r.PathValue("id")), nil, &form.Task); err != nil {
		return err
	}
	form.Was = pages.StandingOf(&form.Task)
	form.Values = form.Was
	return d.write(w, r, http.StatusOK, pages.ChangeTask(d.frame(r, "Change "+pages.NameOf(&form.Task)), &form))
}

// changeTask changes what was typed anew. When that is not possible it shows the form
// again, with what was typed.
func (d *door) changeTask(w http.ResponseWriter, r *http.Request) error {
	id, v := r.PathValue("id"), r.PostForm
	path := "/v1/tasks/" + url.PathEscape(id)
	change, err := changeOf(v)
	switch {
	case err != nil:
	case len(change) == 0:
		err = wrong("nothing was changed")
	default:
		err = d.call(r.Context(), ask{method: http.MethodPatch, path: path, body: change, reason: v.Get("reason")}, nil)
	}
	if err == nil {
		done(w, r, "/tasks/"+url.PathEscape(id), "changed")
		return nil
	}
	form := pages.ChangeForm{Was: wasOf(v), Values: v}
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || d.get(r.Context(), path, nil, &form.Task) != nil {
		return err
	}
	form.Wrong = p
	return d.write(w, r, p.Status, pages.ChangeTask(d.frame(r, "Change "+pages.NameOf(&form.Task)), &form))
}

// wasOf is how the task stood when the form was first shown.
func wasOf(v url.Values) url.Values {
	was := url.Values{}
	for name, values := range v {
		if of, ok := strings.CutPrefix(name, "was."); ok {
			was[of] = values
		}
	}
	return was
}

// changeOf is the request that a form is: what differs from how the task stood. What was
// emptied becomes its default.
func changeOf(v url.Values) (fields, error) {
	f, was := fields{}, wasOf(v)
	for _, name := range pages.ChangeFields {
		value := strings.TrimSpace(v.Get(name))
		if value == was.Get(name) {
			continue
		}
		if err := f.become(name, value); err != nil {
			return nil, err
		}
	}
	labels, err := labelChange(was.Get("labels"), v.Get("labels"))
	if err != nil {
		return nil, err
	}
	if labels != nil {
		f["labels"] = labels
	}
	if value := typed(v.Get("payload")); value != typed(was.Get("payload")) {
		if value = cmp.Or(value, "null"); !json.Valid([]byte(value)) {
			return nil, wrong("payload is no JSON")
		}
		f["payload"] = json.RawMessage(value)
	}
	return f, nil
}

// become sets a field; "" puts it back to its default.
func (f fields) become(name, value string) error {
	switch {
	case name == "retry.max_attempts" && value == "":
		f["retry"] = json.RawMessage(`{"max_attempts":null}`)
	case name == "retry.max_attempts":
		return f.retry(value)
	case value == "":
		f[name] = json.RawMessage("null")
	case name == "priority":
		return f.number(name, value)
	case name == "run_at":
		f.when(value)
	default:
		f.text(name, value)
	}
	return nil
}

// labelChange is what becomes of labels, of which each line is one: those that are gone are
// deleted. nil = they stay as they are.
func labelChange(was, now string) (json.RawMessage, error) {
	before, err := pairsOf("labels", was, "=")
	if err != nil {
		return nil, err
	}
	after, err := pairsOf("labels", now, "=")
	if err != nil {
		return nil, err
	}
	change := map[string]*string{}
	for name := range before {
		if _, stays := after[name]; !stays {
			change[name] = nil
		}
	}
	for name, value := range after {
		if old, had := before[name]; !had || old != value {
			change[name] = &value
		}
	}
	if len(change) == 0 {
		return nil, nil
	}
	return json.Marshal(change)
}
