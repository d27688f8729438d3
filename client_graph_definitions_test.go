package sendoff_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestTheClientKeepsGraphs(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	definition := map[string]any{"name": "a/b ?", "jobs": map[string]any{"A": map[string]any{"run": []string{"true"}}}}
	first, made, err := c.Graphs.Save(ctx, definition)
	require.NoError(t, err)
	require.True(t, made)
	require.Equal(t, 1, first.Rev)
	again, made, err := c.Graphs.Save(ctx, definition)
	require.NoError(t, err)
	require.False(t, made)
	require.Equal(t, first, again)
	second, made, err := c.Graphs.Save(ctx, json.RawMessage(`{"name":"a/b ?","jobs":{"B":{}}}`))
	require.NoError(t, err)
	require.True(t, made)

	got, err := c.Graphs.Get(ctx, "a/b ?", 0)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a/b ?","jobs":{"B":{}}}`, string(got.Definition))
	require.Equal(t, second.CreatedAt, got.CreatedAt)
	got, err = c.Graphs.Get(ctx, "a/b ?", 1)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a/b ?","jobs":{"A":{"run":["true"]}}}`, string(got.Definition))

	var all []sendoff.GraphRevision
	for g, err := range c.Graphs.List(ctx) {
		require.NoError(t, err)
		all = append(all, g)
	}
	require.Equal(t, []sendoff.GraphRevision{*second}, all)

	require.NoError(t, c.Graphs.Delete(ctx, "a/b ?"))
	require.True(t, sendoff.IsNotFound(c.Graphs.Delete(ctx, "a/b ?")))
	_, err = c.Graphs.Get(ctx, "a/b ?", 1)
	require.True(t, sendoff.IsNotFound(err), err)
	for _, name := range []string{"", ".", ".."} {
		_, err := c.Graphs.Get(ctx, name, 0)
		require.ErrorContains(t, err, "is no name")
	}
	_, _, err = c.Graphs.Save(ctx, map[string]any{"name": "a"})
	require.ErrorContains(t, err, "jobs: is missing")
}
