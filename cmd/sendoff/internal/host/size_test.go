package host

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "64MB": 64e6, "64mb": 64e6, "1.5GB": 1.5e9, "10 kB": 10_000, "123": 123, "7B": 7, "2TB": 2e12,
	} {
		var s, again Size
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, s, text)
		require.NoError(t, again.UnmarshalText([]byte(s.String())), s.String())
		require.Equal(t, s, again)
	}
	for _, text := range []string{"", "MB", "-1MB", "64MiB", "much", "NaN", "1e30"} {
		var s Size
		require.ErrorContains(t, s.UnmarshalText([]byte(text)), "want a size such as 64MB", text)
	}
	require.Equal(t, "64MB", Size(64e6).String())
}
