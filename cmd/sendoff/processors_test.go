package main

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneProcessorRunsTwoThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	for before, after := range map[int]int{1: 2, 2: 2, 3: 3} {
		runtime.GOMAXPROCS(before)
		useProcessors()
		require.Equal(t, after, runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "1")
	runtime.GOMAXPROCS(1)
	useProcessors()
	require.Equal(t, 1, runtime.GOMAXPROCS(0), "somebody wants it so")
}
