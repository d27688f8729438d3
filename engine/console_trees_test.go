package engine_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
)

var oneOfThem = sendoff.Func("one_of_them", func(_ context.Context, n int) (int, error) {
	if n == 2 {
		return 0, sendoff.Permanent(errors.New("no <b>luck</b>"))
	}
	return n, nil
})

var threeOfThem = sendoff.Func("three_of_them", func(ctx context.Context, _ int) (int, error) {
	if _, err := sendoff.Step(ctx, "weigh", func(context.Context) (string, error) { return "heavy", nil }); err != nil {
		return 0, err
	}
	_, err := oneOfThem.Gather(ctx, []int{0, 1, 2})
	return 0, err
})

// TestTheCallsOfAFunctionAreDrawn as a tree, over time and as a graph, with its steps.
func TestTheCallsOfAFunctionAreDrawn(t *testing.T) {
	e, client := functionEngine(t, oneOfThem, threeOfThem)
	srv := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	t.Cleanup(srv.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	b := &browser{&door{url: srv.URL}, &http.Client{Jar: jar}}
	in, err := client.Submit(t.Context(), sendoff.NewTask{Function: "three_of_them", Endpoint: "embedded://app", Payload: 1})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = client.Wait(ctx, in.ID)
	require.NoError(t, err)

	path := "/tasks/" + in.ID
	_, _, page := b.get(t, path)
	require.Contains(t, page, `<td data-label="Step">weigh</td>`)
	require.Contains(t, page, "&#34;heavy&#34;")
	for _, view := range []string{"tree", "waterfall", "graph"} {
		require.Contains(t, page, `href="`+path+`?view=`+view+`"`)
		code, _, drawn := b.get(t, path+"?view="+view)
		require.Equal(t, 200, code, drawn)
		require.NotContains(t, drawn, "<b>luck")
		require.NotRegexp(t, `\sstyle=|\son[a-z]+="|<style`, drawn)
		require.Contains(t, drawn, "3 calls: ")
		require.Equal(t, 1, strings.Count(drawn, "<h1>"))
		if view == "graph" {
			require.Equal(t, 4, strings.Count(drawn, `<g class="job `))
			require.Contains(t, drawn, `<svg xmlns="http://www.w3.org/2000/svg" class="jobgraph"`)
			continue
		}
		require.Len(t, regexp.MustCompile(`<tr id="t-`).FindAllString(drawn, -1), 4)
	}
	_, _, page = b.get(t, path+"?view=tree")
	require.Contains(t, page, "no &lt;b&gt;luck")
	_, _, page = b.get(t, path+"?view=graph&z=200")
	require.Contains(t, page, `?view=graph&amp;z=200" aria-current="page"`)
	for _, wrong := range []string{"?view=odd", "?view=graph&z=3"} {
		code, _, page := b.get(t, path+wrong)
		require.Equal(t, 422, code)
		require.Contains(t, page, "want ")
	}
}
