package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// TestARateHoldsAfterAnHourWithoutAServer: a queue and a limit of 100 a second, 20 at once,
// have far more to do when the server stops than they may. It begins again at once, and
// after an hour in which nobody was there to start anything.
func TestARateHoldsAfterAnHourWithoutAServer(t *testing.T) {
	hoursWithoutRace(t)
	hundred := task.Rate{N: 100, Per: time.Second}
	for name, slow := range map[string]engine.Task{
		"queue": {Handler: "h", Queue: "q"},
		"limit": {Handler: "h", Limits: []task.Limit{{Key: "k", Rate: hundred, Burst: 20}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const tasks = 1500
				var mu sync.Mutex
				var came []time.Time
				file := t.TempDir() + "/sendoff.db"
				start := func() *bundle {
					db, err := sqlite.Open(context.Background(), file, sqlite.Options{})
					require.NoError(t, err)
					e, err := engine.New(db, engine.Config{})
					require.NoError(t, err)
					e.HandleFunc("h", func(context.Context, *engine.Call) error {
						mu.Lock()
						defer mu.Unlock()
						came = append(came, time.Now())
						return nil
					})
					b := &bundle{Engine: e, db: db}
					b.run(t)
					return b
				}
				began := func() int {
					mu.Lock()
					defer mu.Unlock()
					return len(came)
				}
				b := start()
				_, err := b.Queues().Set(t.Context(), "q", task.QueueSettings{Rate: hundred, Burst: 20})
				require.NoError(t, err)
				all := make([]engine.Task, tasks)
				for i := range all {
					all[i] = slow
				}
				for i := 0; i < tasks; i += 500 {
					_, err = b.SubmitMany(t.Context(), all[i:i+500], true)
					require.NoError(t, err)
				}
				for _, away := range []time.Duration{0, time.Hour, 0} {
					before := began()
					for began() < before+tasks/4 {
						time.Sleep(time.Millisecond)
					}
					b.stop()
					time.Sleep(away)
					b = start()
				}
				for began() < tasks {
					time.Sleep(100 * time.Millisecond)
				}
				b.stop()
				requireRate(t, came, 100, 20)
				span := came[tasks-1].Sub(came[0]) - time.Hour
				require.Less(t, span, 2*tasks/100*time.Second, "much of the rate lies idle")
			})
		})
	}
}
