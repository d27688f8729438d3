package graph

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAServerRunsNoClasses(t *testing.T) {
	run := runCmd{options: options{What: "movie.py:WatchMovie"}}
	_, err := run.graphRun()
	require.ErrorContains(t, err, "classes of DoJobber run in this process")
	_, err = (&saveCmd{File: "movie.py:WatchMovie"}).definition()
	require.ErrorContains(t, err, "classes of DoJobber run in this process")
}
