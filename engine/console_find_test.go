package engine_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestAPageOfTasksIsAFileForASpreadsheet: the same tasks as in the answer of the API to the
// query, and no text that would be a formula.
func TestAPageOfTasksIsAFileForASpreadsheet(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{BasePath: "/s"})
	for i := range 3 {
		submit(t, d, fmt.Sprintf(`{"url":"http://127.0.0.1:1","queue":"mail","name":"=HYPERLINK(%d)","delay":"1h","labels":{"a":"x,\"y\"","b":"2"}}`, i))
	}
	_, _, list := d.call(t, "GET", "/v1/tasks?queue=mail&limit=2", "")
	b := browse(t, d)
	_, _, page := b.get(t, "/s/tasks?queue=mail&limit=2")
	require.Contains(t, page, `href="/s/tasks.csv?limit=2&amp;queue=mail"`)
	code, header, text := b.get(t, "/s/tasks.csv?queue=mail&limit=2")
	require.Equal(t, 200, code)
	require.Equal(t, "text/csv; charset=utf-8", header.Get("Content-Type"))
	require.Contains(t, header.Get("Link"), "</s/tasks.csv?cursor=")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, "id", rows[0][0])
	for i, item := range list["items"].([]any) {
		one := item.(map[string]any)
		require.Equal(t, []string{one["id"].(string), "scheduled"}, rows[i+1][:2])
		require.Equal(t, "'"+one["name"].(string), rows[i+1][5])
		require.Equal(t, "a=x,\"y\"\nb=2", rows[i+1][15])
	}
	code, _, text = b.get(t, "/s/tasks.csv?state=odd")
	require.Equal(t, 422, code)
	require.Contains(t, text, `role="alert"`)
}

// TestATaskIsFoundByWhateverNamesIt, and what names none is a part of an error.
func TestATaskIsFoundByWhateverNamesIt(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	_, _, made := d.call(t, "POST", "/v1/tasks", `{"id":"order-42","url":"http://127.0.0.1:1","delay":"1h"}`)
	_, _, again := d.call(t, "GET", "/v1/tasks/order-42", "")
	require.Equal(t, made["id"], again["id"])
	b := browse(t, d)
	for _, path := range []string{"/go?q=order-42", "/go?q=" + made["id"].(string), "/tasks?filter=order-42"} {
		_, _, page := b.get(t, path)
		require.Contains(t, page, "Why it waits:", path)
	}
	_, _, page := b.get(t, "/go?q=order-43")
	require.Contains(t, page, "error:order-43")
	_, _, page = b.get(t, "/go?q=queue:default")
	require.Contains(t, page, `<tr id="t-`)
}

// TestWhatCarriesTasksOutIsListed by its name.
func TestWhatCarriesTasksOutIsListed(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	b := browse(t, d)
	_, _, page := b.get(t, "/functions")
	require.Contains(t, page, "No task names a function")
	submit(t, d, `{"function":"order","endpoint":"http://127.0.0.1:1"}`)
	submit(t, d, `{"function":"a<b>refund","endpoint":"http://127.0.0.1:1"}`)
	_, _, page = b.get(t, "/functions")
	require.Contains(t, page, `href="/tasks?function=order"`)
	require.Contains(t, page, "a&lt;b&gt;refund")
	_, _, page = b.get(t, "/functions?prefix=or")
	require.NotContains(t, page, "refund")
}
