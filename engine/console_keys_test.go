package engine_test

import (
	"html"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

var shownKey = regexp.MustCompile(`<code id="key">(sendoff_[0-9A-Za-z]+)</code>`)

// TestKeysAreMadeAndRevokedFromAPage; the first one closes the server, and each is shown
// once.
func TestKeysAreMadeAndRevokedFromAPage(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	b := browse(t, d)
	_, _, page := b.get(t, "/keys")
	require.Contains(t, page, "There are no keys")
	code, _, page := b.post(t, "/keys", url.Values{"name": {"nothing"}})
	require.Equal(t, 422, code)
	require.Contains(t, page, `role="alert"`)
	require.Equal(t, "nothing", filled(page).Get("name"))

	code, header, page := b.post(t, "/keys", url.Values{"name": {"ops <1>"}, "scope": {"admin"}, "reason": {"to begin"}})
	require.Equal(t, 201, code, page)
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Contains(t, page, `href="/login"`)
	ops := shownKey.FindStringSubmatch(page)[1]
	require.Eventually(t, func() bool { code, _, page = b.get(t, "/keys"); return code == 401 }, 10*time.Second, 5*time.Millisecond)

	d.key = ops
	require.Equal(t, "to begin", recorded(t, d, "create-api-key")[0]["reason"])
	_, _, page = b.post(t, "/login", url.Values{"key": {ops}, "next": {"/keys"}})
	require.Contains(t, html.UnescapeString(page), "ops <1>")
	require.NotContains(t, page, ops)
	code, _, page = b.post(t, "/keys", url.Values{"name": {"reader"}, "scope": {"read"}, "expires_at": {"720h"}})
	require.Equal(t, 201, code, page)
	reader := shownKey.FindStringSubmatch(page)[1]
	require.NotContains(t, page, `href="/login"`)

	r := browse(t, d)
	_, _, page = r.post(t, "/login", url.Values{"key": {reader}, "next": {"/settings"}})
	require.Contains(t, page, "<dd>reader</dd>")
	require.NotContains(t, page, `href="/keys"`)
	for _, path := range []string{"/keys", "/keys/any/revoke"} {
		code, _, _ = r.post(t, path, url.Values{"name": {"mine"}, "scope": {"admin"}})
		require.Equal(t, 403, code, path)
	}
	code, _, _ = r.get(t, "/keys")
	require.Equal(t, 403, code)

	_, _, page = b.get(t, "/keys")
	id := regexp.MustCompile(`<tr id="k-(key_[0-9a-z]+)">\s*<td data-label="Name">reader`).FindStringSubmatch(page)[1]
	code, _, page = b.post(t, "/keys/"+id+"/revoke", url.Values{"reason": {"she left"}})
	require.Equal(t, 200, code, page)
	require.NotContains(t, page, id)
	require.Equal(t, "she left", recorded(t, d, "revoke-api-key")[0]["reason"])
	code, _, _ = b.post(t, "/keys/"+id+"/revoke", nil)
	require.Equal(t, 404, code)
	require.Eventually(t, func() bool { code, _, _ = r.get(t, "/settings"); return code == 401 }, 10*time.Second, 5*time.Millisecond)
}

// TestABrowserKeepsHowPagesAreShown, on a console that only shows as well.
func TestABrowserKeepsHowPagesAreShown(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{Console: engine.ConsoleRead})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","run_at":"2099-01-01T00:00:00Z"}`)
	b := browse(t, d)
	_, _, page := b.get(t, "/tasks/"+id)
	require.Contains(t, page, `title="2099-01-01 00:00:00.000 UTC"`)
	code, _, page := b.post(t, "/settings", url.Values{"zone": {"Asia/Tokyo"}, "theme": {"dark"}, "keys": {"off"}})
	require.Equal(t, 200, code)
	require.Contains(t, page, `data-theme="dark" data-keys="off"`)
	_, _, page = b.get(t, "/tasks/"+id)
	require.Contains(t, page, `title="2099-01-01 09:00:00.000 JST"`)
	require.Contains(t, page, `datetime="2099-01-01T00:00:00Z"`)
	for _, zone := range []string{"Mars/Base", "../../etc/passwd", "Local"} {
		code, _, page = b.post(t, "/settings", url.Values{"zone": {zone}})
		require.Equal(t, 422, code, zone)
		require.Contains(t, page, "is not known")
	}
	code, _, page = b.post(t, "/settings", nil)
	require.Equal(t, 200, code)
	require.Contains(t, page, `data-theme="" data-keys=""`)
	_, _, page = b.get(t, "/tasks/"+id)
	require.Contains(t, page, " UTC")
}
