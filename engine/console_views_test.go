package engine_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestViewsAreSavedAndForgottenInPages, by name, for all who use the namespace.
func TestViewsAreSavedAndForgottenInPages(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	b := browse(t, d)
	_, _, page := b.get(t, "/tasks")
	require.NotContains(t, page, "Save this view", "it selects nothing")
	_, _, page = b.get(t, "/tasks?queue=mail&state=failed")
	form := filled(page)
	require.Equal(t, []string{"/tasks", "queue=mail&state=failed"}, []string{form.Get("path"), form.Get("query")})
	form.Set("name", "Post & <parcels>")
	code, _, page := b.post(t, "/views", form)
	require.Equal(t, 200, code, page)
	require.Contains(t, page, "Saved.")
	const link = `href="/tasks?queue=mail&amp;state=failed">Post &amp; &lt;parcels&gt;</a>`
	_, _, page = b.get(t, "/tasks")
	require.Contains(t, page, link)
	_, _, page = b.get(t, "/settings")
	require.Contains(t, page, link)
	for _, wrong := range []url.Values{{"name": {" "}, "path": {"/tasks"}}, {"name": {"a"}, "path": {"https://evil.example"}}} {
		code, _, page = b.post(t, "/views", wrong)
		require.Equal(t, 422, code)
		require.Contains(t, page, `role="alert"`)
	}
	code, _, page = b.post(t, "/views/"+url.PathEscape("Post & <parcels>")+"/forget", nil)
	require.Equal(t, 200, code, page)
	require.NotContains(t, page, link)
}

// TestTheHealthOfAServerIsAPage: a line for each check of the API.
func TestTheHealthOfAServerIsAPage(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	_, _, found := d.call(t, "GET", "/v1/health", "")
	code, _, page := browse(t, d).get(t, "/health")
	require.Equal(t, 200, code, page)
	for _, check := range found["checks"].([]any) {
		require.Contains(t, page, `<tr id="c-`+check.(map[string]any)["name"].(string)+`"`)
	}
}
