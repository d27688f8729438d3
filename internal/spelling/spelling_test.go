package spelling_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/spelling"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"listen", "listen", 0}, {"listen", "", 6}, {"", "db", 2}, {"lsten", "listen", 1},
		{"listten", "listen", 1}, {"lasten", "listen", 1}, {"kitten", "sitting", 3},
	} {
		require.Equal(t, tt.want, spelling.Distance(tt.a, tt.b), "%q, %q", tt.a, tt.b)
		require.Equal(t, tt.want, spelling.Distance(tt.b, tt.a), "%q, %q", tt.b, tt.a)
	}
}
