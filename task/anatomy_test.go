package task

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAnAnatomyIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Anatomy{
			Address:  rapid.SampledFrom([]string{"", "127.0.0.1:9000", "[2001:db8::1]:443"}).Draw(t, "address"),
			Reused:   rapid.Bool().Draw(t, "reused"),
			FailedIn: Phase(rapid.IntRange(0, int(Phases)).Draw(t, "failed in")),
		}
		for p := range a.Took {
			a.Took[p] = time.Duration(rapid.Int64Range(0, int64(time.Hour/time.Microsecond)).Draw(t, "took")) * time.Microsecond
		}
		got, ok := Answer{Header: []Header{{"Content-Type", "text/plain"}, a.Header()}}.Anatomy()
		require.True(t, ok)
		require.Equal(t, a, got)
	})
}

func TestAnAnatomyOfANewerVersionIsReadAsFarAsItIsKnown(t *testing.T) {
	got, ok := Answer{Header: []Header{{AnatomyHeader, "q77 c83 !z !! r1 dx t-5 @10.0.0.1:80"}}}.Anatomy()
	require.True(t, ok)
	require.Equal(t, Anatomy{Address: "10.0.0.1:80", Took: [Phases]time.Duration{PhaseConnect: 83 * time.Microsecond}, FailedIn: Phases}, got)
	_, ok = Answer{}.Anatomy()
	require.False(t, ok)
}
