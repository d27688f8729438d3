package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAGraceEndsByItselfByHurryOrWithTheWork(t *testing.T) {
	const grace, work = time.Minute, 10 * time.Second
	for name, tt := range map[string]struct {
		hurry  time.Duration // 0 = nobody does
		takes  time.Duration // until the work ends by itself
		writes time.Duration // that it needs when it was cut off
		want   time.Duration
		lost   bool // it could not write any more
	}{
		"the work ends":               {takes: work, want: work},
		"the grace ends":              {takes: 2 * grace, writes: time.Second, want: grace + time.Second},
		"somebody hurries":            {hurry: work, takes: grace, writes: time.Second, want: work + time.Second},
		"nothing can be written":      {takes: 2 * grace, writes: time.Hour, want: grace + lastWrites, lost: true},
		"nor when somebody hurries":   {hurry: work, takes: grace, writes: time.Hour, want: work + lastWrites, lost: true},
		"the last writes are in time": {takes: 2 * grace, writes: lastWrites - 1, want: grace + lastWrites - 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnding()
				defer e.end()
				if tt.hurry > 0 {
					time.AfterFunc(tt.hurry, e.Hurry)
				}
				began, lost := time.Now(), false
				e.drain(grace, func(ctx context.Context) {
					select {
					case <-time.After(tt.takes):
						return
					case <-ctx.Done():
					}
					select {
					case <-time.After(tt.writes):
					case <-e.writes.Done():
						lost = true
					}
				})
				require.Equal(t, tt.want, time.Since(began))
				require.Equal(t, tt.lost, lost)
				e.Hurry() // once more, or too late, is nothing
			})
		})
	}
}
