package engine_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

var (
	inputs    = regexp.MustCompile(`<input [^>]*name="([^"]+)" value="([^"]*)"`)
	textareas = regexp.MustCompile(`(?s)<textarea [^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>`)
	options   = regexp.MustCompile(`<select [^>]*name="([^"]+)".*?<option value="([^"]*)" selected>`)
)

// filled is what a browser would send of the form of a page as it stands.
func filled(page string) url.Values {
	form := url.Values{}
	for _, pattern := range []*regexp.Regexp{inputs, textareas, options} {
		for _, found := range pattern.FindAllStringSubmatch(page, -1) {
			form.Set(found[1], html.UnescapeString(found[2]))
		}
	}
	form.Del("filter") // of the box above
	return form
}

// TestATaskIsSubmittedFromAForm once, and made again from its page as it was.
func TestATaskIsSubmittedFromAForm(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	b := browse(t, d)
	_, _, page := b.get(t, "/tasks/new")
	form := filled(page)
	for name, value := range map[string]string{
		"url": "http://127.0.0.1:1/hook", "method": "PUT", "queue": "mail", "name": "a <b> c", "when": "1h", "priority": "2", "timeout": "5m0s", "retry.max_attempts": "4", "group": "acme",
		"labels": "customer=7\nteam=x=y", "headers": "X-Tenant: acme", "payload": "{\"n\": 12345678901234567890, \"t\": \"<&\"}", "more": `{"limits":[{"key":"crm","concurrency":2}],"order_key":"o","retry":{"min_backoff":"10s"}}`,
	} {
		form.Set(name, value)
	}
	form.Set("do", "show")
	code, _, page := b.post(t, "/tasks/new", form)
	require.Equal(t, 200, code, page)
	require.Contains(t, html.UnescapeString(page), `12345678901234567890`)
	require.Contains(t, page, "curl -s")
	_, _, list := d.call(t, "GET", "/v1/tasks", "")
	require.Empty(t, list["items"], "it was shown, and not submitted")

	form = filled(page)
	form.Del("do")
	for range 2 {
		code, _, page = b.post(t, "/tasks/new", form)
		require.Equal(t, 200, code, page)
		require.Contains(t, page, "Submitted.")
	}
	_, _, list = d.call(t, "GET", "/v1/tasks", "")
	require.Len(t, list["items"], 1, "a form that is sent twice is one task")
	first := list["items"].([]any)[0].(map[string]any)["id"].(string)

	code, _, page = b.get(t, "/tasks/new?from="+first)
	require.Equal(t, 200, code)
	form = filled(page)
	form.Set("when", "1h")
	code, _, page = b.post(t, "/tasks/new", form)
	require.Equal(t, 200, code, page)
	second := regexp.MustCompile(`<dt>Id</dt>\s*<dd><code>([0-9a-f-]{36})`).FindStringSubmatch(page)[1]
	require.NotEqual(t, first, second)
	_, _, one := d.call(t, "GET", "/v1/tasks/"+first, "")
	_, _, two := d.call(t, "GET", "/v1/tasks/"+second, "")
	for _, name := range []string{"id", "job", "created_at", "run_at", "next_at", "waiting_for"} {
		delete(one, name)
		delete(two, name)
	}
	require.Equal(t, one, two)
}

// TestAFormThatIsRefusedKeepsWhatWasTyped, and says what is wrong.
func TestAFormThatIsRefusedKeepsWhatWasTyped(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"open sesame"}})
	_, _, made := d.call(t, "POST", "/v1/api-keys", `{"name":"reader","scopes":["read","operate"]}`)
	b := browse(t, d)
	_, _, _ = b.post(t, "/login", url.Values{"key": {"open sesame"}})
	for detail, form := range map[string]url.Values{
		"payload is no JSON":  {"kind": {"http"}, "url": {"http://127.0.0.1:1"}, "payload": {"{half"}, "name": {"kept"}},
		"url":                 {"kind": {"http"}, "url": {"ftp://a"}, "name": {"kept"}},
		"endpoint":            {"kind": {"function"}, "function": {"f"}, "name": {"kept"}},
		"priority":            {"kind": {"http"}, "url": {"http://127.0.0.1:1"}, "priority": {"11"}, "name": {"kept"}},
		"want http, function": {"kind": {"job"}},
	} {
		code, _, page := b.post(t, "/tasks/new", form)
		require.Equal(t, 422, code, detail)
		require.Contains(t, strings.ToLower(html.UnescapeString(page)), strings.ToLower(detail))
		require.Contains(t, page, `role="alert"`)
		if form.Has("name") {
			require.Equal(t, "kept", filled(page).Get("name"), detail)
		}
	}
	reader := browse(t, d)
	_, _, page := reader.post(t, "/login", url.Values{"key": {made["key"].(string)}})
	require.NotContains(t, page, "/tasks/new")
	code, _, page := reader.post(t, "/tasks/new", url.Values{"kind": {"http"}, "url": {"http://127.0.0.1:1"}})
	require.Equal(t, 403, code)
	require.Contains(t, page, "enqueue")

	id := submit(t, d, `{"url":"http://127.0.0.1:1","payload":"canary-77","headers":{"X-A":"canary-78"},"delay":"1h"}`)
	for _, path := range []string{"/tasks/" + id, "/tasks/" + id + "/change"} {
		_, _, page = reader.get(t, path)
		require.NotContains(t, page, "canary-7", path)
	}
}

// TestATaskIsChangedFromItsPage, in what was typed anew and in nothing else.
func TestATaskIsChangedFromItsPage(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	b := browse(t, d)
	id := submit(t, d, `{"url":"http://127.0.0.1:1","queue":"mail","delay":"1h","labels":{"a":"1","b":"2"},"payload":{"big":12345678901234567890},"retry":{"max_attempts":7}}`)
	_, _, page := b.get(t, "/tasks/"+id)
	require.Contains(t, page, `href="/tasks/`+id+`/change"`)
	_, _, page = b.get(t, "/tasks/"+id+"/change")
	form := filled(page)
	_, _, before := d.call(t, "PATCH", "/v1/tasks/"+id, `{"priority":1}`)
	code, _, page := b.post(t, "/tasks/"+id+"/change", form)
	require.Equal(t, 422, code)
	require.Contains(t, page, "Nothing was changed")

	form.Set("queue", "post")
	form.Set("labels", "b=3")
	form.Set("reason", "the other team")
	code, _, page = b.post(t, "/tasks/"+id+"/change", form)
	require.Equal(t, 200, code, page)
	require.Contains(t, page, "Changed.")
	_, _, after := d.call(t, "GET", "/v1/tasks/"+id, "")
	before["queue"], before["labels"] = "post", map[string]any{"b": "3"}
	delete(before, "waiting_for")
	delete(after, "waiting_for")
	require.Equal(t, before, after, "its priority, which somebody else changed meanwhile, stays")
	require.Equal(t, "the other team", recorded(t, d, "change-task")[0]["reason"])

	_, _, _ = d.call(t, "POST", "/v1/tasks/"+id+"/cancel", "")
	form.Set("queue", "third")
	code, _, page = b.post(t, "/tasks/"+id+"/change", form)
	require.Equal(t, http.StatusConflict, code)
	require.Equal(t, "third", filled(page).Get("queue"))
	_, _, page = b.get(t, "/tasks/"+id)
	require.NotContains(t, page, fmt.Sprintf("/tasks/%s/change", id))
}
