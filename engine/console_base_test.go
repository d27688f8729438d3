package engine_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/server/console"
)

var leads = regexp.MustCompile(` (?:href|src|action)="(/[^"]*)"`)

// TestEverythingIsBelowABase: no link of a page leads out of it, and signing on, acting and
// the API work there; requests from which a proxy has taken it off are answered as well.
func TestEverythingIsBelowABase(t *testing.T) {
	const base = "/ops/sendoff"
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"open sesame"}, BasePath: base + "/"})
	b := browse(t, d)
	code, _, page := b.get(t, base+"/tasks?state=failed")
	require.Equal(t, 401, code)
	require.Contains(t, page, `action="`+base+`/login"`)
	require.Contains(t, page, `name="next" value="/tasks?state=failed"`)
	code, _, page = b.post(t, base+"/login", url.Values{"key": {"open sesame"}, "next": {"/tasks?state=failed"}})
	require.Equal(t, 200, code)
	require.Contains(t, page, "<h1>Tasks")

	code, header, made := d.call(t, "POST", base+"/v1/tasks", `{"url":"http://127.0.0.1:1","delay":"1h","name":" href=\"/stays\""}`)
	require.Equal(t, 201, code)
	id := made["id"].(string)
	require.Equal(t, base+"/v1/tasks/"+id, header.Get("Location"))
	seen := 0
	for _, pattern := range engine.RoutesOf(d.Engine).Patterns() {
		path, is := strings.CutPrefix(pattern, "GET ")
		if !is || !console.Owns(path) || path == "/live" {
			continue
		}
		_, _, page := b.get(t, base+addressed(path, id))
		for _, link := range leads.FindAllStringSubmatch(page, -1) {
			require.True(t, strings.HasPrefix(link[1], base+"/"), "%s leads to %s", path, link[1])
			seen++
		}
	}
	require.Greater(t, seen, 300)
	_, _, page = b.get(t, base+"/tasks/"+id)
	require.Contains(t, page, ` href=&#34;/stays&#34;`)
	require.Contains(t, page, `data-base="`+base+`"`)
	code, _, page = b.post(t, base+"/tasks/"+id+"/cancel", nil)
	require.Equal(t, 200, code)
	require.Contains(t, page, "Canceled.")
	for _, asset := range regexp.MustCompile(`"(`+base+`/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		code, _, _ = b.get(t, asset[1])
		require.Equal(t, 200, code, asset[1])
	}
	for _, path := range []string{"/tasks/" + id, base, "/livez", base + "/livez"} {
		code, _, _ = b.get(t, path)
		require.Equal(t, 200, code, path)
	}
}

// TestABrowserIsLedToThePageOfATask when it follows a link to the API.
func TestABrowserIsLedToThePageOfATask(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{BasePath: "/s"})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h"}`)
	_, header, got := d.call(t, "GET", "/s/v1/tasks/"+id, "", "Accept", "application/json")
	require.Equal(t, id, got["id"])
	require.Equal(t, "</s/tasks/"+id+`>; rel="alternate"; type="text/html"`, header.Get("Link"))
	req, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/s/v1/tasks/"+id, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	code, _, page := answered(t, res)
	require.Equal(t, 200, code)
	require.Contains(t, page, "Why it waits:")
	require.Equal(t, "/s/tasks/"+id, res.Request.URL.Path)
	_, _, list := d.call(t, "GET", "/s/v1/tasks", "", "Accept", "text/html")
	require.Len(t, list["items"], 1)
}

// TestAProgramWithItsOwnLoginHasTheConsole and nothing else of the server.
func TestAProgramWithItsOwnLoginHasTheConsole(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h","payload":"canary-93"}`)
	mux := http.NewServeMux()
	mux.Handle("/admin/jobs/", d.Console("/admin/jobs", func(r *http.Request) (engine.Visitor, bool) {
		user := r.Header.Get("X-User")
		scopes := map[string][]string{"ada": {"read", "payloads", "operate"}, "bob": {"read"}, "eve": {"everything"}}[user]
		return engine.Visitor{Name: user, Scopes: scopes}, scopes != nil
	}))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	as := func(user, method, path string, more ...string) (int, string) {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/admin/jobs"+path, nil)
		require.NoError(t, err)
		req.Header.Set("X-User", user)
		for i := 0; i+1 < len(more); i += 2 {
			req.Header.Set(more[i], more[i+1])
		}
		c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := c.Do(req)
		require.NoError(t, err)
		code, header, page := answered(t, res)
		return code, header.Get("Location") + page
	}
	for _, user := range []string{"", "mallory", "eve"} {
		code, page := as(user, "GET", "/tasks/"+id)
		require.Equal(t, 403, code, user)
		require.Contains(t, page, "does not let you in")
		require.NotContains(t, page, "Queues")
	}
	code, page := as("bob", "GET", "/tasks/"+id)
	require.Equal(t, 200, code)
	require.Contains(t, page, "bob in default")
	require.NotContains(t, page, "canary-93")
	require.NotContains(t, page, `action="/admin/jobs/tasks/`)
	code, _ = as("bob", "POST", "/tasks/"+id+"/cancel")
	require.Equal(t, 403, code)
	code, page = as("ada", "GET", "/tasks/"+id)
	require.Equal(t, 200, code)
	require.Contains(t, page, "canary-93")
	code, _ = as("ada", "POST", "/tasks/"+id+"/cancel", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, code, "a form of another site")
	code, to := as("ada", "POST", "/tasks/"+id+"/cancel", "Sec-Fetch-Site", "same-origin")
	require.Equal(t, 303, code)
	require.True(t, strings.HasPrefix(to, fmt.Sprintf("/admin/jobs/tasks/%s?", id)), to)
	require.Equal(t, "ada", recorded(t, d, "cancel-task")[0]["by"].(map[string]any)["name"])
	for _, path := range []string{"/v1/tasks", "/metrics", "/livez", "/openapi.json"} {
		code, _ = as("ada", "GET", path)
		require.Equal(t, 404, code, path)
	}
	require.Panics(t, func() { d.Console("/x", nil) })
}
