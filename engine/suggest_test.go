package engine_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestValuesOfAFilterAreSuggested of what is kept and of the newest tasks, to those of the
// namespace alone.
func TestValuesOfAFilterAreSuggested(t *testing.T) {
	b := open(t, engine.Config{Roles: []engine.Role{engine.Accept}, AllowLoopback: true})
	defer b.db.Close()
	mux := engine.RoutesOf(b.Engine)
	mine, theirs := newTenant(t, b, mux, "mine"), newTenant(t, b, mux, "theirs")
	for i := range 30 {
		mine.made(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":"http://127.0.0.1:90%02d","queue":"mail-%02d","labels":{"tenant":"acme","n":"%d"}}`, i, i, i%3))
	}
	mine.made(t, "POST", "/v1/tasks", `{"function":"charge","endpoint":"http://127.0.0.1:9","queue":"pay"}`)
	for _, name := range []string{"nightly", "nightly-2", "hourly"} {
		mine.made(t, "PUT", "/v1/schedules/"+name, `{"every":"1h","task":{"url":"http://127.0.0.1:9"}}`)
	}
	suggest := func(n *tenant, field, prefix string) []any {
		return n.made(t, "GET", "/v1/suggest?"+url.Values{"field": {field}, "prefix": {prefix}}.Encode(), "")["items"].([]any)
	}
	for _, tt := range []struct {
		field, prefix string
		want          []any
	}{
		{"queue", "p", []any{"pay"}},
		{"queue", "mail-1", []any{"mail-10", "mail-11", "mail-12", "mail-13", "mail-14", "mail-15", "mail-16", "mail-17", "mail-18", "mail-19"}},
		{"target_host", "127.0.0.1:902", []any{"127.0.0.1:9020", "127.0.0.1:9021", "127.0.0.1:9022", "127.0.0.1:9023", "127.0.0.1:9024", "127.0.0.1:9025", "127.0.0.1:9026", "127.0.0.1:9027", "127.0.0.1:9028", "127.0.0.1:9029"}},
		{"label", "", []any{"n", "tenant"}},
		{"label.n", "", []any{"0", "1", "2"}},
		{"label.none", "", []any{}},
		{"function", "", []any{"charge"}},
		{"schedule", "nightly", []any{"nightly", "nightly-2"}},
		{"schedule", "", []any{"hourly", "nightly", "nightly-2"}},
		{"state", "su", []any{"succeeded", "suspended"}},
		{"kind", "h", []any{"http"}},
		{"node", "", []any{}},
		{"code", "", []any{}},
	} {
		require.Equal(t, tt.want, suggest(mine, tt.field, tt.prefix), "%s %s", tt.field, tt.prefix)
		if tt.field != "state" && tt.field != "kind" {
			require.Empty(t, suggest(theirs, tt.field, tt.prefix), "%s %s in another namespace", tt.field, tt.prefix)
		}
	}
	require.Len(t, suggest(mine, "queue", ""), 20)
	code, text := mine.ask(t, "GET", "/v1/suggest?field=payload", "")
	require.Equal(t, 422, code)
	require.Contains(t, text, "label.NAME")
}
