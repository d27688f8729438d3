package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOrdersAndTasksAreWrittenTogether(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer // its writers end before run does
	require.NoError(t, run(ctx, filepath.Join(t.TempDir(), "shop.db"), &syncWriter{w: &out}))
	text := out.String()
	require.Equal(t, 1, strings.Count(text, "shipped 2 x lamp\n"))
	require.Equal(t, 1, strings.Count(text, "shipped 4 x chair\n"))
	require.Contains(t, text, "not sold: ")
	require.NotContains(t, text, "x table", "its order was refused, so its task must not be there")
	require.Contains(t, text, "task succeeded after 1 attempts\n")
	require.Contains(t, text, "task succeeded after 2 attempts\n")
}
