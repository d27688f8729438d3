package dev

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesAreCutOutOfWhatAProgramWrites(t *testing.T) {
	var lines []string
	w := &lineWriter{emit: func(l string) { lines = append(lines, l) }}
	for _, piece := range []string{"a", "b\nc\r\n", "\n", "d"} {
		n, err := w.Write([]byte(piece))
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
	require.Equal(t, []string{"ab", "c", ""}, lines)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.Equal(t, "d", lines[3])

	lines = nil
	huge := strings.Repeat("x", 3*maxLine+10)
	w.Write([]byte(huge + "\nend\n"))
	require.Len(t, lines, 5)
	require.Equal(t, huge, strings.Join(lines[:4], ""))
	lines = nil
	w.Write([]byte(strings.Repeat("y", maxLine) + "\n"))
	require.Equal(t, strings.Repeat("y", maxLine), strings.Join(lines, ""))
	require.LessOrEqual(t, cap(w.rest), 2*maxLine)
}
