package draw_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// BenchmarkArrange lays out graphs of a thousand nodes in several forms, and random ones.
func BenchmarkArrange(b *testing.B) {
	graphs := map[string]draw.Graph{"chain-1000": graph(1000, chain(0, 1000)...), "fan-1000": graph(1000, fan(1, 1000)...)}
	for _, n := range []int{100, 1000, 5000, 10_000} {
		graphs[fmt.Sprint("random-", n)] = random(n, 3)
	}
	for name, g := range graphs {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := draw.Arrange(g)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkSVG is all of it: layout and text.
func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{100, 1000} {
		g := random(n, 3)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, draw.SVG(io.Discard, g, draw.Options{}))
			}
		})
	}
}
