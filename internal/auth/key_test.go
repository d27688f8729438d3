package auth_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

func TestAKeyIsFoundByItsForm(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		k := auth.NewKey()
		require.Regexp(t, regexp.MustCompile(`^`+auth.KeyPattern+`$`), k.Text)
		require.True(t, auth.WellFormed(k.Text))
		require.True(t, strings.HasPrefix(k.Text, k.Prefix))
		require.Len(t, k.Prefix, 14)
		require.Equal(t, auth.HashKey(k.Text), k.Hash)
		require.Regexp(t, `^key_[0-9a-z]{16}$`, k.ID)
		require.NotContains(t, k.Text, k.ID[4:])
		require.False(t, seen[k.Text] || seen[k.ID])
		seen[k.Text], seen[k.ID] = true, true
	}
	for i := range auth.NewKey().Text {
		k := []byte(auth.NewKey().Text)
		k[i]++
		require.False(t, auth.WellFormed(string(k)), "a digit that is another")
	}
	require.False(t, auth.WellFormed(""))
}

// TestTheDigitsOfAKeyAreRandom counts them: a key of 256 bits has 43 digits that differ
// from the first one on, but for the first, which has fewer values.
func TestTheDigitsOfAKeyAreRandom(t *testing.T) {
	const keys = 3000
	count := map[byte]int{}
	for range keys {
		text := auth.NewKey().Text
		for i := len("sendoff_") + 1; i < len("sendoff_")+43; i++ {
			count[text[i]]++
		}
	}
	want := float64(keys*42) / 62
	for digit, n := range count {
		require.Less(t, math.Abs(float64(n)-want), 7*math.Sqrt(want), "the digit %c comes %d times of %.0f", digit, n, want)
	}
	require.Len(t, count, 62)
}
