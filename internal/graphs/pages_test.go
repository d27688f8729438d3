package graphs_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/graphs"
)

// looked returns a page of the console.
func looked(t *testing.T, res *http.Response, err error) (int, string) {
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

// TestARunIsDrawnInTheConsole, whatever its jobs are called, and steered from there.
func TestARunIsDrawnInTheConsole(t *testing.T) {
	const hostile = `<script>alert(1)</script>`
	c := start(t, graphs.Config{Commands: []string{"any"}})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
		Graph: "film & evening", RetryDelay: new(time.Duration), Tries: 1,
		Definition: definition(t, `{"goal":"up","jobs":{"a":{"run":{"shell":"true"}},"`+hostile+`":{"run":{"shell":"echo '`+hostile+`' >&2; false"}},"up":{"deps":["a","`+hostile+`"]}}}`),
	})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphFailed, run.State)

	get := func(path string) string {
		res, err := http.Get(c.URL() + path)
		code, page := looked(t, res, err)
		require.Equal(t, 200, code, page)
		require.NotContains(t, page, hostile)
		require.NotRegexp(t, `\sstyle=|\son[a-z]+="|<style`, page)
		return page
	}
	page := get("/graphs")
	require.Contains(t, page, `href="/graph-runs/`+run.ID+`"`)
	require.Contains(t, get("/graphs?graph="+url.QueryEscape("film & evening")), run.ID)
	require.NotContains(t, get("/graphs?graph=other"), run.ID)
	page = get("/graph-runs/" + run.ID)
	require.Equal(t, 3, strings.Count(page, `<g class="job `))
	require.Equal(t, 3, strings.Count(page, `<tr id="j-`))
	require.Contains(t, page, "&lt;script&gt;")
	require.Contains(t, page, "1 achieved, 1 failed, 1 blocked")
	require.Contains(t, page, `action="/graph-runs/`+run.ID+`/retry"`)
	require.NotContains(t, page, `action="/graph-runs/`+run.ID+`/pause"`)

	res, err := http.PostForm(c.URL()+"/graph-runs/"+run.ID+"/retry", nil)
	code, page := looked(t, res, err)
	require.Equal(t, 200, code, page)
	require.Contains(t, page, `href="/graph-runs/`+run.ID+`"`, "the new run says which it tries again")
	res, err = http.PostForm(c.URL()+"/graph-runs/"+run.ID+"/explode", nil)
	code, _ = looked(t, res, err)
	require.Equal(t, 404, code)
}
