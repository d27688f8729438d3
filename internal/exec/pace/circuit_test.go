package pace

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func newID() task.ID { return task.ID(uuid.New()) }

func TestOneAsksWhetherThePauseIsOver(t *testing.T) {
	var c Circuit
	now := time.Now()
	wait := func() time.Duration { d, _ := c.Enter(now); return d }
	require.Zero(t, wait())
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		c.Pause(now, Pause{Why: Refused, Text: "401"})
		require.Equal(t, pause*time.Second, wait())
		now = now.Add(pause * time.Second)
		require.Zero(t, wait(), "one goes first")
		require.Positive(t, wait(), "the others wait for it")
	}
	c.Leave()
	require.Zero(t, wait(), "it has shown nothing: the next one asks")
	c.Open(now, now)
	require.Zero(t, wait())
	require.Zero(t, wait())
}

func TestOneThatAsksAndGetsNoAnswerDoesNotHoldUpTheOthers(t *testing.T) {
	var c Circuit
	now := time.Now()
	wait := func() time.Duration { d, _ := c.Enter(now); return d }
	c.Pause(now, Pause{Why: Errors})
	now = now.Add(time.Second)
	require.Zero(t, wait())
	now = now.Add(59 * time.Second)
	require.Positive(t, wait())
	now = now.Add(time.Second)
	require.Zero(t, wait(), "another one asks")
	require.Positive(t, wait())
}

// Whatever one that asks has shown, another one asks after it.
func TestSomebodyAlwaysAsks(t *testing.T) {
	start := time.Now()
	for name, end := range map[string]func(c *Circuit, now, began time.Time){
		"nothing": func(c *Circuit, _, _ time.Time) { c.Leave() },
		"a fault": func(c *Circuit, now, began time.Time) { c.Fault(now, newID(), began, Pause{Why: Errors}) },
		"a fault, after an older one went well": func(c *Circuit, now, began time.Time) {
			c.Open(now, start.Add(-time.Second))
			c.Fault(now.Add(time.Millisecond), newID(), began, Pause{Why: Errors})
		},
		"well, after an older one did not go well": func(c *Circuit, now, began time.Time) {
			c.Fault(now, newID(), start, Pause{Why: Errors})
			c.Open(now, began)
		},
	} {
		var c Circuit
		c.Pause(start, Pause{Why: Errors})
		now := start.Add(time.Second)
		wait, _ := c.Enter(now)
		require.Zero(t, wait)
		end(&c, now.Add(time.Second), now)
		wait, _ = c.Enter(now.Add(4 * time.Second))
		require.Zero(t, wait, name)
	}
}

func TestAPauseIsNotOverForWhatBeganBeforeIt(t *testing.T) {
	var c Circuit
	began := time.Now()
	now := began.Add(time.Second)
	c.Pause(now, Pause{Why: Throttled, For: time.Minute})
	c.Open(now, began)
	wait, pause := c.Enter(now)
	require.Equal(t, time.Minute, wait)
	require.Equal(t, Throttled, pause.Why)
	now = now.Add(time.Minute)
	c.Open(now, now)
	wait, _ = c.Enter(now)
	require.Zero(t, wait)
}

func TestACircuitOpensForSeveralTasksInARow(t *testing.T) {
	start := time.Now()
	for name, tt := range map[string]struct {
		pause Pause
		many  int
	}{
		"nobody is there":   {Pause{Why: Unreachable}, 5},
		"it asks for it":    {Pause{Why: Throttled, For: time.Minute}, 2},
		"it is too much":    {Pause{Why: Throttled}, 20},
		"nothing goes well": {Pause{Why: Errors}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			// trips tells after how many faults the circuit opened; 0 = it did not.
			trips := func(n int, each func(c *Circuit, i int, now time.Time) bool) int {
				var c Circuit
				for i := range n {
					if each(&c, i+1, start.Add(time.Duration(i+1)*time.Second)) {
						return i + 1
					}
				}
				return 0
			}
			one := newID()
			require.Equal(t, tt.many, trips(100, func(c *Circuit, _ int, now time.Time) bool { return c.Fault(now, newID(), now, tt.pause) }))
			require.Zero(t, trips(100, func(c *Circuit, _ int, now time.Time) bool { return c.Fault(now, one, now, tt.pause) }), "always the same task")
			require.Zero(t, trips(100, func(c *Circuit, i int, now time.Time) bool {
				now = now.Add(time.Duration(i) * time.Minute)
				return c.Fault(now, newID(), now, tt.pause)
			}), "a minute apart")
			require.Zero(t, trips(100, func(c *Circuit, _ int, now time.Time) bool {
				c.Open(now, now)
				return c.Fault(now, newID(), now, tt.pause)
			}), "others go well")
			require.Zero(t, trips(100, func(c *Circuit, i int, now time.Time) bool {
				if i == 1 {
					c.Open(now, now)
				}
				return c.Fault(now, newID(), start, tt.pause)
			}), "one that began later went well")
		})
	}
}

func TestALineIsNoLongerThanFiveMinutes(t *testing.T) {
	var l Line
	now := time.Now().Truncate(group)
	from := now.Add(time.Minute)
	for i := range int(longest/apart) + 1 {
		place := time.Minute + time.Duration(i)*apart
		wait := l.Wait(now, from, 0)
		require.GreaterOrEqual(t, wait, place)
		require.Less(t, wait, place+group, "those next to each other come together")
	}
	var most time.Duration
	for range 10_000 {
		most = max(most, l.Wait(now, from, 0))
	}
	require.LessOrEqual(t, most, 6*time.Minute+group)
	require.Greater(t, most, 5*time.Minute)
	l.Clear()
	require.Equal(t, time.Minute, l.Wait(now, from, time.Hour))
	require.Equal(t, time.Minute+time.Second, l.Wait(now, from, 0), "they come at least once a second")
}

func TestAProbeGoesAtOnce(t *testing.T) {
	var c Circuit
	now := time.Now()
	wait := func() time.Duration { d, _ := c.Enter(now); return d }
	c.Probe()
	require.Zero(t, wait())
	c.Pause(now, Pause{Why: Throttled, For: time.Minute})
	require.Positive(t, wait())
	c.Probe()
	require.Zero(t, wait(), "one goes first")
	require.Positive(t, wait(), "the others wait for it")
	c.Pause(now, Pause{Why: Throttled, For: time.Minute})
	require.Equal(t, time.Minute, wait().Round(time.Minute), "it was not well")
}
