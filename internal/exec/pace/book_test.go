package pace

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEndpointsAreForgotten(t *testing.T) {
	s := NewBook[struct{}](func(string) Limits { return Limits{Most: 10, Line: 10} })
	now := time.Now()
	busy := s.Get("busy", "busy", now)
	_, ok := busy.Limiter.Acquire(t.Context(), 0)
	require.True(t, ok)
	for i := range 3 * maxEndpoints {
		s.Get(fmt.Sprint(i), fmt.Sprint(i), now)
		if i == maxEndpoints {
			now = now.Add(time.Hour)
		}
	}
	require.LessOrEqual(t, len(s.byKey), maxEndpoints)
	require.LessOrEqual(t, len(s.byHost), maxEndpoints)
	require.Same(t, busy, s.Get("busy", "busy", now))
	require.Same(t, s.Get("busy/a", "busy", now).Limiter, busy.Limiter)
}
