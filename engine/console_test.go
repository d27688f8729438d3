package engine_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/server/console"
)

// browser looks at pages, and keeps their cookies.
type browser struct {
	*door
	http *http.Client
}

func browse(t *testing.T, d *door) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{d, &http.Client{Jar: jar}}
}

// get returns a page.
func (b *browser) get(t *testing.T, path string) (int, http.Header, string) {
	t.Helper()
	res, err := b.http.Get(b.url + path)
	require.NoError(t, err)
	return answered(t, res)
}

// post sends a form, and returns the page that it leads to.
func (b *browser) post(t *testing.T, path string, form url.Values) (int, http.Header, string) {
	t.Helper()
	res, err := b.http.PostForm(b.url+path, form)
	require.NoError(t, err)
	return answered(t, res)
}

func answered(t *testing.T, res *http.Response) (int, http.Header, string) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(body)
}

// addressed are pages with a name in their address, and an example.
func addressed(pattern, id string) string {
	return strings.NewReplacer("{$}", "", "{id}", id, "/queues/{name}", "/queues/mail", "/schedules/{name}", "/schedules/nightly").Replace(pattern)
}

// TestEveryPageIsWholeAndHarmless asks every page of the console, over tasks whose every
// text would be markup.
func TestEveryPageIsWholeAndHarmless(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	target := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Answer", "<b>answer</b>")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, hostile)
	})
	_, _, made := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"mail","name":%q,"payload":%q,"headers":{"X-Mine":"<i>"},"labels":{"k":%q},"group":%q}`, target, hostile, hostile, hostile, hostile))
	id := made["id"].(string)
	_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=5s", "")
	require.Equal(t, "failed", ended["state"])
	code, _, _ := d.call(t, "PUT", "/v1/schedules/nightly", fmt.Sprintf(`{"cron":"0 2 * * *","task":{"url":%q,"name":%q}}`, target, hostile))
	require.Equal(t, 201, code)
	b := browse(t, d)
	code, _, page := b.post(t, "/actions", url.Values{"action": {"retry"}, "queue": {"mail"}, "reason": {hostile}})
	require.Equal(t, 200, code, page)
	action := regexp.MustCompile(`/actions/([0-9a-f-]{36})/`).FindStringSubmatch(page + "/actions/" + bulkOf(t, d) + "/")[1]

	group := failureOf(t, d)

	seen := 0
	for _, pattern := range engine.RoutesOf(d.Engine).Patterns() {
		path, is := strings.CutPrefix(pattern, "GET ")
		if !is || !console.Owns(path) || strings.HasPrefix(path, "/assets/") || path == "/live" || path == "/tasks.csv" || path == "/graph-runs/{id}" { // no pages, and what sendoff serve has
			continue
		}
		seen++
		which := id
		if strings.HasPrefix(path, "/failures/") {
			which = group
		}
		if strings.HasPrefix(path, "/actions/") {
			which = action
		}
		if path = addressed(path, which); path == "/actions/new" {
			path += "?action=retry&state=failed"
		}
		code, header, page := b.get(t, path)
		require.Equal(t, 200, code, "%s: %s", path, page)
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
		require.NotContains(t, header.Get("Content-Security-Policy"), "unsafe")
		require.Equal(t, []string{"no-store", "nosniff", "same-origin"}, []string{header.Get("Cache-Control"), header.Get("X-Content-Type-Options"), header.Get("Referrer-Policy")})
		require.NotContains(t, page, "<script>", path)
		require.NotContains(t, page, "<img", path)
		require.NotContains(t, page, "<b>answer", path)
		require.NotRegexp(t, `\sstyle=|\son[a-z]+="`, page, "the policy of %s refuses it", path)
		require.Equal(t, 1, strings.Count(page, "<h1>"), path)
		require.Contains(t, page, "</html>", path)
		require.Less(t, len(page), 60<<10, path)
	}
	require.Greater(t, seen, 15)
	_, _, page = b.get(t, "/tasks/"+id)
	require.Regexp(t, `<rect class="p-bad" [^>]*><title>attempt 1: reject, `, page, "its time is drawn")
	for _, text := range []string{hostile, "rejected", "X-Mine", "422"} {
		require.Contains(t, html.UnescapeString(page), text)
	}
	for _, asset := range regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		code, header, _ := b.get(t, asset[1])
		require.Equal(t, 200, code, asset[1])
		require.Contains(t, header.Get("Cache-Control"), "immutable")
	}
}

// bulkOf is the action that was made last.
func bulkOf(t *testing.T, d *door) string {
	_, _, list := d.call(t, "GET", "/v1/actions", "")
	return list["items"].([]any)[0].(map[string]any)["id"].(string)
}

// failureOf is the group of failures that failed last.
func failureOf(t *testing.T, d *door) string {
	engine.FlushFailures(d.Engine)
	_, _, list := d.call(t, "GET", "/v1/failures", "")
	return list["items"].([]any)[0].(map[string]any)["id"].(string)
}

// TestFailuresAlikeAreSteered: one line for all of a kind, retried together, and muted.
func TestFailuresAlikeAreSteered(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	target := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, "no such card")
	})
	for range 3 {
		id := submit(t, d, fmt.Sprintf(`{"url":%q,"name":"charge"}`, target))
		_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=5s", "")
		require.Equal(t, "failed", ended["state"])
	}
	group := failureOf(t, d)
	b := browse(t, d)
	_, _, page := b.get(t, "/")
	require.Contains(t, page, `href="/failures/`+group+`"`, "the overview has what failed last")
	_, _, page = b.get(t, "/failures")
	require.Equal(t, 1, strings.Count(page, `<tr id="f-`))
	require.Contains(t, page, `<td data-label="Count" class="n">3</td>`)
	_, _, page = b.get(t, "/failures/"+group)
	require.Equal(t, 3, strings.Count(page, `<tr id="t-`))
	require.Contains(t, html.UnescapeString(page), "/actions/new?action=retry&failure="+group)
	_, _, page = b.get(t, "/actions/new?action=retry&failure="+group)
	require.Contains(t, page, "3</strong> tasks would be changed")

	code, _, page := b.post(t, "/failures/"+group+"/mute", url.Values{"for": {"8h"}, "reason": {"card office is shut"}})
	require.Equal(t, 200, code)
	require.Contains(t, page, "Muted.")
	require.Equal(t, "card office is shut", recorded(t, d, "mute-failure")[0]["reason"])
	_, _, page = b.get(t, "/")
	require.NotContains(t, page, `href="/failures/`+group+`"`)
	_, _, page = b.get(t, "/failures")
	require.Contains(t, page, `<span class="tag">muted</span>`)
	code, _, page = b.post(t, "/failures/"+group+"/unmute", nil)
	require.Equal(t, 200, code)
	require.NotContains(t, page, `class="tag"`)
	for path, form := range map[string]url.Values{"/mute": {"for": {"soon"}}, "/explode": nil} {
		code, _, page = b.post(t, "/failures/"+group+path, form)
		require.GreaterOrEqual(t, code, 400, path)
		require.Contains(t, page, `role="alert"`)
	}
}

// TestWhatHappenedIsDrawn, with the numbers of GET /v1/stats beside the drawing.
func TestWhatHappenedIsDrawn(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	target := app(t, func(http.ResponseWriter, *http.Request) {})
	b := browse(t, d)
	submit(t, d, fmt.Sprintf(`{"url":%q,"queue":"a?b","delay":"1h"}`, target))
	for range 3 {
		id := submit(t, d, fmt.Sprintf(`{"url":%q,"queue":"mail"}`, target))
		_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=5s", "")
		require.Equal(t, "succeeded", ended["state"])
	}
	for _, path := range []string{"/queues/mail", "/queues/mail?span=24h", "/queues/mail?span=7d", "/", "/?span=7d"} {
		code, _, page := b.get(t, path)
		require.Equal(t, 200, code, path)
		require.Contains(t, page, `<figure class="chart">`, path)
		require.Regexp(t, `accepted at most [1-4], succeeded at most [1-3], failed at most 0<`, page, path)
		require.NotContains(t, page, "NaN", path)
		var succeeded int
		for _, row := range regexp.MustCompile(`<td data-label="Succeeded" class="n">(\d+)</td>`).FindAllStringSubmatch(page, -1) {
			n, err := strconv.Atoi(row[1])
			require.NoError(t, err)
			succeeded += n
		}
		require.Equal(t, 3, succeeded, path)
	}
	_, _, page := b.get(t, "/queues/a%3Fb")
	require.Contains(t, page, `href="/queues/a%3Fb?span=24h"`)
	code, _, page := b.get(t, "/queues/mail?span=1y")
	require.Equal(t, 422, code)
	require.Contains(t, page, "want 1h, 24h or 7d")
}

// TestAPageShowsWhatTheAPIAnswers: the same tasks in the same order, for the same query.
func TestAPageShowsWhatTheAPIAnswers(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	for i := range 12 {
		submit(t, d, fmt.Sprintf(`{"url":"http://127.0.0.1:1","queue":"q%d","name":"n%d","delay":"%dh","labels":{"odd":"%d"}}`, i%3, i, i%4, i%2))
	}
	b := browse(t, d)
	for _, query := range []string{"", "state=scheduled", "state=scheduled&sort=next_at", "queue=q1&queue=q2", "queue%21=q1", "label.odd=1&limit=2", "name=n3", "name=none"} {
		_, _, list := d.call(t, "GET", "/v1/tasks?"+query, "")
		var want, got []string
		for _, item := range list["items"].([]any) {
			want = append(want, item.(map[string]any)["id"].(string))
		}
		code, _, page := b.get(t, "/tasks?"+query)
		require.Equal(t, 200, code, query)
		for _, row := range regexp.MustCompile(`<tr id="t-([0-9a-f-]{36})"`).FindAllStringSubmatch(page, -1) {
			got = append(got, row[1])
		}
		require.Equal(t, want, got, query)
		next, more := list["next_cursor"].(string)
		require.Equal(t, more, strings.Contains(html.UnescapeString(page), "cursor="+url.QueryEscape(next)) && next != "", query)
	}
	for query, detail := range map[string]string{"state=odd": "odd", "limit=9999": "limit", "filter=%22open": "is not closed", "cursor=nonsense": "cursor"} {
		code, _, page := b.get(t, "/tasks?"+query)
		require.GreaterOrEqual(t, code, 400, query)
		require.Contains(t, html.UnescapeString(page), detail, query)
	}
	id := submit(t, d, `{"url":"http://127.0.0.1:1"}`)
	code, _, page := b.get(t, "/tasks?filter="+id)
	require.Equal(t, 200, code)
	require.Contains(t, page, "Why it waits:")
}

// TestTasksAreSteeredByForms, and the audit says who did it and why, once.
func TestTasksAreSteeredByForms(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept, engine.Schedule}}, engine.HandlerConfig{})
	b := browse(t, d)
	id := submit(t, d, `{"url":"http://127.0.0.1:1","queue":"mail","delay":"1h"}`)
	state := func() string { _, _, got := d.call(t, "GET", "/v1/tasks/"+id, ""); return got["state"].(string) }

	code, _, page := b.post(t, "/tasks/"+id+"/cancel", url.Values{"reason": {"not wanted"}})
	require.Equal(t, 200, code)
	require.Contains(t, page, "Canceled.")
	require.Equal(t, "canceled", state())
	rows := recorded(t, d, "cancel-task")
	require.Len(t, rows, 1)
	require.Equal(t, []any{"not wanted", "ok"}, []any{rows[0]["reason"], rows[0]["result"]})
	_, _, all := d.call(t, "GET", "/v1/audit", "")
	require.Len(t, all["items"], 1, "what the page asks for is recorded, and the page not besides")

	code, _, page = b.post(t, "/tasks/"+id+"/run", nil)
	require.Equal(t, 409, code, "it has ended")
	require.Contains(t, page, `role="alert"`)
	code, _, _ = b.post(t, "/tasks/"+id+"/explode", nil)
	require.Equal(t, 404, code)
	code, _, _ = b.post(t, "/tasks/"+id+"/retry", nil)
	require.Equal(t, 200, code)
	require.Equal(t, "ready", state())

	code, _, page = b.post(t, "/queues/mail/pause", nil)
	require.Equal(t, 200, code)
	require.Contains(t, page, "paused")
	_, _, page = b.get(t, "/")
	require.Contains(t, page, "Queue mail is paused, and 1 tasks are ready.")
	_, _, page = b.post(t, "/queues/mail/resume", nil)
	require.NotContains(t, page, `class="tag"`)

	code, _, page = b.get(t, "/actions/new?action=cancel&queue=mail")
	require.Equal(t, 200, code)
	form := url.Values{}
	for _, in := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Add(in[1], html.UnescapeString(in[2]))
	}
	later := submit(t, d, `{"url":"http://127.0.0.1:1","queue":"mail","delay":"1h"}`)
	require.Equal(t, "ready", state(), "a page that shows what would be done does nothing")
	code, _, page = b.post(t, "/actions", form)
	require.Equal(t, 200, code, page)
	require.Eventually(t, func() bool { return state() == "canceled" }, 10*time.Second, 5*time.Millisecond)
	_, _, got := d.call(t, "GET", "/v1/tasks/"+later, "")
	require.Equal(t, "scheduled", got["state"], "it came after the page was made")

	_, _, page = b.get(t, "/actions/new?action=move&id="+later)
	require.Contains(t, page, "To the queue")
	_, _, page = b.get(t, "/actions/new?action=move&to=post&id="+later)
	require.Contains(t, page, `name="to" value="post"`)
	_, _, _ = b.post(t, "/actions", url.Values{"action": {"move"}, "to": {"post"}, "id": {later}})
	require.Eventually(t, func() bool { _, _, got = d.call(t, "GET", "/v1/tasks/"+later, ""); return got["queue"] == "post" }, 10*time.Second, 5*time.Millisecond)

	code, _, page = b.post(t, "/tasks/"+id+"/delete", nil)
	require.Equal(t, 200, code)
	require.Contains(t, page, "Deleted.")
	code, _, _ = b.get(t, "/tasks/"+id)
	require.Equal(t, 404, code)
}

// TestTheConsoleOpensWithAKey, and its cookie opens nothing else.
func TestTheConsoleOpensWithAKey(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{APIKeys: []string{"open sesame"}})
	_, _, made := d.call(t, "POST", "/v1/api-keys", `{"name":"reader","scopes":["read"]}`)
	const canary = "canary-5512"
	id := submit(t, d, fmt.Sprintf(`{"url":"http://127.0.0.1:1","payload":%q,"delay":"1h"}`, canary))
	b := browse(t, d)
	code, _, page := b.get(t, "/tasks/"+id)
	require.Equal(t, 401, code)
	require.Contains(t, page, `name="key"`)
	require.Contains(t, page, `name="next" value="/tasks/`+id+`"`)
	require.NotContains(t, page, "Queues", "nothing of the server is shown")

	code, _, page = b.post(t, "/login", url.Values{"key": {"wrong"}})
	require.Equal(t, 401, code)
	require.Contains(t, page, "no API key of this server")
	code, _, page = b.post(t, "/login", url.Values{"key": {made["key"].(string)}, "next": {"/tasks/" + id}})
	require.Equal(t, 200, code)
	require.Contains(t, page, "reader in default")
	require.NotContains(t, page, canary, "its key has no scope payloads")
	require.NotContains(t, page, `action="/tasks/`+id+`/cancel"`)
	code, _, page = b.post(t, "/tasks/"+id+"/cancel", nil)
	require.Equal(t, 403, code)
	require.Contains(t, page, "operate")
	code, _, _ = b.get(t, "/audit")
	require.Equal(t, 403, code)
	code, _, _ = b.get(t, "/v1/tasks")
	require.Equal(t, 401, code, "the API takes keys")

	code, _, _ = b.post(t, "/logout", nil)
	require.Equal(t, 200, code)
	code, _, _ = b.get(t, "/tasks")
	require.Equal(t, 401, code)
	_, _, page = b.post(t, "/login", url.Values{"key": {"open sesame"}, "next": {"/tasks/" + id}})
	require.Contains(t, page, canary)
	require.Contains(t, page, `action="/tasks/`+id+`/cancel"`)
}

func TestTheConsoleCanBeForReadingOrOff(t *testing.T) {
	e := openDoor(t, engine.Config{}, engine.HandlerConfig{Console: engine.ConsoleRead})
	id := submit(t, e, `{"url":"http://127.0.0.1:1","delay":"1h"}`)
	b := browse(t, e)
	_, _, page := b.get(t, "/tasks/"+id)
	require.NotContains(t, page, `method="post" action="/tasks`)
	code, _, page := b.post(t, "/tasks/"+id+"/cancel", nil)
	require.Equal(t, 409, code)
	require.Contains(t, page, "--console=read")

	off := openDoor(t, engine.Config{}, engine.HandlerConfig{Console: engine.ConsoleOff})
	for _, path := range []string{"/", "/tasks", "/login"} {
		code, _, _ := off.call(t, "GET", path, "")
		require.Equal(t, 404, code, path)
	}
}
