package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
)

func openGraphs(t *testing.T) *door {
	return openDoor(t, engine.Config{CheckGraph: graphfile.Check}, engine.HandlerConfig{})
}

func TestADefinitionIsKeptByRevisions(t *testing.T) {
	d := openGraphs(t)
	const first = `{"name":"film evening","jobs":{"A":{"run":["touch","a"]}}}`
	code, h, got := d.call(t, "POST", "/v1/graphs", first)
	require.Equal(t, 201, code, got)
	require.Equal(t, "/v1/graphs/film%20evening", h.Get("Location"))
	require.Equal(t, "film evening 1", fmt.Sprint(got["name"], " ", got["rev"]))
	created := got["created_at"]
	require.NotEmpty(t, created)
	require.NotContains(t, got, "definition")

	code, _, got = d.call(t, "POST", "/v1/graphs", " {\n\"name\": \"film\\u0020evening\",\n \"jobs\": {\"A\": {\"run\": [\"touch\", \"a\"]}}}\n")
	require.Equal(t, []any{200, 1.0, created}, []any{code, got["rev"], got["created_at"]}, "it says the same")
	code, _, got = d.call(t, "POST", "/v1/graphs", `{"name":"film evening","jobs":[{"name":"B"}]}`)
	require.Equal(t, []any{201, 2.0}, []any{code, got["rev"]}, got)

	_, _, got = d.call(t, "GET", "/v1/graphs/film%20evening", "")
	require.Equal(t, map[string]any{"name": "film evening", "jobs": []any{map[string]any{"name": "B"}}}, got["definition"])
	_, _, got = d.call(t, "GET", "/v1/graphs/film%20evening?rev=1", "")
	require.Equal(t, created, got["created_at"])
	kept, err := json.Marshal(got["definition"])
	require.NoError(t, err)
	require.JSONEq(t, first, string(kept))

	code, _, got = d.call(t, "GET", "/v1/graphs/film%20evening?rev=3", "")
	require.Equal(t, 404, code)
	require.Equal(t, `graph "film evening", revision 3: not found`, got["detail"])
	code, _, _ = d.call(t, "DELETE", "/v1/graphs/film%20evening", "")
	require.Equal(t, 204, code)
	for _, method := range []string{"GET", "DELETE"} {
		code, _, got = d.call(t, method, "/v1/graphs/film%20evening", "")
		require.Equal(t, 404, code)
		require.Equal(t, `graph "film evening": not found`, got["detail"])
	}
	code, _, got = d.call(t, "POST", "/v1/graphs", first)
	require.Equal(t, []any{201, 1.0}, []any{code, got["rev"]}, "it begins anew")
}

func TestGraphsAreListedByName(t *testing.T) {
	d := openGraphs(t)
	for _, name := range []string{"c", "a/b", "B", "a", "c"} {
		code, _, got := d.call(t, "POST", "/v1/graphs", fmt.Sprintf(`{"name":%q,"jobs":{"A":{}},"description":"%d"}`, name, len(d.graphs(t, 500))))
		require.Equal(t, 201, code, got)
	}
	require.Equal(t, []string{"B 1", "a 1", "a/b 1", "c 2"}, d.graphs(t, 500))
	require.Equal(t, []string{"B 1", "a 1", "a/b 1", "c 2"}, d.graphs(t, 1))
	require.Equal(t, []string{"B 1", "a 1", "a/b 1", "c 2"}, d.graphs(t, 2))
	_, _, got := d.call(t, "GET", "/v1/graphs/a%2Fb", "")
	require.Equal(t, "a/b", got["name"])
}

// graphs walks over all pages of a size.
func (d *door) graphs(t *testing.T, size int) (out []string) {
	t.Helper()
	for cursor := ""; ; {
		code, _, page := d.call(t, "GET", fmt.Sprintf("/v1/graphs?limit=%d&cursor=%s", size, cursor), "")
		require.Equal(t, 200, code, page)
		for _, item := range page["items"].([]any) {
			g := item.(map[string]any)
			require.NotContains(t, g, "definition")
			out = append(out, fmt.Sprint(g["name"], " ", g["rev"]))
		}
		next, more := page["next_cursor"].(string)
		if !more {
			return out
		}
		cursor = next
	}
}

func TestAWrongDefinitionIsRefusedAndNotKept(t *testing.T) {
	d := openGraphs(t)
	for _, tt := range []struct {
		name, body  string
		status      int
		field, text string
	}{
		{"nothing", "", 400, "", "empty"},
		{"a list", "[]", 422, "body", "want an object"},
		{"no name", `{"jobs":{"A":{}}}`, 422, "name", "is empty"},
		{"a name that is a step", `{"name":"..","jobs":{"A":{}}}`, 422, "name", ".."},
		{"a long name", `{"name":"` + strings.Repeat("x", 201) + `","jobs":{"A":{}}}`, 422, "name", "at most 200"},
		{"no jobs", `{"name":"a"}`, 422, "jobs", "is missing"},
		{"null jobs", `{"name":"a","jobs":null}`, 422, "jobs", "jobs has no value"},
		{"no job", `{"name":"a","jobs":{}}`, 422, "jobs", "want at least one"},
		{"an unknown field", `{"name":"a","job":{}}`, 422, "job", "known field"},
		{"an unknown field of a job", `{"name":"a","jobs":{"A":{"rum":[]}}}`, 422, "jobs", `job "A": unknown key "rum": did you mean "run"?`},
		{"a job twice", `{"name":"a","jobs":{"A":{},"A":{}}}`, 422, "jobs", `"A" is there twice`},
		{"a cycle", `{"name":"a","jobs":{"A":{"deps":["B"]},"B":{"deps":["A"]}}}`, 422, "jobs", "A -> B -> A"},
		{"no such goal", `{"name":"a","goal":"C","jobs":{"A":{}}}`, 422, "goal", `no job "C"`},
		{"a long one", `{"name":"a","description":"` + strings.Repeat("x", 1<<20) + `","jobs":{"A":{}}}`, 422, "jobs", "at most 1048576"},
		{"a huge one", `{"name":"` + strings.Repeat("x", 4<<20) + `"}`, 413, "", "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, got := d.call(t, "POST", "/v1/graphs", tt.body)
			require.Equal(t, tt.status, code, got)
			if tt.text != "" {
				require.Contains(t, got["detail"], tt.text)
			}
			if tt.field != "" {
				require.Equal(t, tt.field, got["errors"].([]any)[0].(map[string]any)["field"], got)
			}
		})
	}
	require.Empty(t, d.graphs(t, 10))
	for path, field := range map[string]string{"/v1/graphs?cursor=!": "cursor", "/v1/graphs/a?rev=0": "rev", "/v1/graphs/a?rev=x": "rev"} {
		code, _, got := d.call(t, "GET", path, "")
		require.Equal(t, 422, code, path)
		require.Equal(t, field, got["errors"].([]any)[0].(map[string]any)["field"], got)
	}
}

// TestAnyTextOfJSONIsReadAsItIs: escapes that YAML would not join, and lines far longer
// than YAML looks ahead.
func TestAnyTextOfJSONIsReadAsItIs(t *testing.T) {
	d := openGraphs(t)
	long := strings.Repeat("x", 5000)
	body := `{"name":"a","jobs":{"\ud83c\udfac <&>":{"run":["echo","\/\u2028\t\"\\ ` + long + `"]},"B":{"deps":["\ud83c\udfac <&>"],"timeout":1e1}}}`
	code, _, got := d.call(t, "POST", "/v1/graphs", body)
	require.Equal(t, 201, code, got)
	_, _, got = d.call(t, "GET", "/v1/graphs/a", "")
	kept, err := json.Marshal(got["definition"])
	require.NoError(t, err)
	require.JSONEq(t, body, string(kept))
}
