package task_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestWhatEndsTheWaitOfAFunction(t *testing.T) {
	const plain, urgent = false, true
	for name, tt := range map[string]struct {
		need   int32
		prompt bool
		before []bool // urgent or not, before it waits
		seen   int64  // of those
		after  []bool
		met    bool
	}{
		"nothing came":                                {need: 1},
		"one of one":                                  {need: 1, after: []bool{plain}, met: true},
		"one of two":                                  {need: 2, after: []bool{plain}},
		"two of two":                                  {need: 2, after: []bool{plain, plain}, met: true},
		"one was there":                               {need: 2, before: []bool{plain}, after: []bool{plain}, met: true},
		"what was there is used up":                   {need: 2, before: []bool{plain}, seen: 1, after: []bool{plain}},
		"enough was there":                            {need: 1, before: []bool{plain}, met: true},
		"an urgent one of three":                      {need: 3, after: []bool{urgent}},
		"an urgent one, and it wants to know":         {need: 3, prompt: true, after: []bool{urgent}, met: true},
		"one that is not urgent":                      {need: 3, prompt: true, after: []bool{plain}},
		"an urgent one was there":                     {need: 3, prompt: true, before: []bool{urgent}, met: true},
		"an urgent one is used up":                    {need: 3, prompt: true, before: []bool{urgent}, seen: 1, after: []bool{plain}},
		"an urgent one behind one that is used up":    {need: 3, prompt: true, before: []bool{plain, urgent}, seen: 1, met: true},
		"an urgent one before others that came after": {need: 9, prompt: true, before: []bool{urgent, plain, plain}, met: true},
		"no message is needed":                        {need: 0, met: true},
	} {
		var m task.Mailbox
		for i, urgent := range tt.before {
			require.Equal(t, int64(i+1), m.Put(urgent))
		}
		require.Equal(t, tt.seen, m.Suspend(7, tt.seen, 3, tt.need, tt.prompt), name)
		for _, urgent := range tt.after {
			m.Put(urgent)
		}
		require.Equal(t, tt.met, m.Met(), name)
		require.Equal(t, int64(7), m.Writer)
	}
}

func TestMessagesThatAreUsedUpStayUsedUp(t *testing.T) {
	m := task.Mailbox{Total: 9, Seen: 5}
	require.Equal(t, int64(5), m.Suspend(2, 3, 0, 1, false), "a later attempt that was told less")
	require.True(t, m.Met())
}

func TestANewEpochTakesNoResultsOfTheOldOne(t *testing.T) {
	m := task.Mailbox{Epoch: 2, Total: 6, Seen: 3, Open: 4, Need: 2, Writer: 9, Alarm: 4, Prompt: true}
	require.True(t, m.Takes(2))
	require.Equal(t, int64(4), m.Reset(4))
	require.Equal(t, task.Mailbox{Epoch: 3, Total: 6, Seen: 6, Alarm: 6}, m)
	require.False(t, m.Takes(2))
	require.True(t, m.Takes(3))
	require.Equal(t, int64(7), m.Put(false), "numbers go on")

	require.Equal(t, int64(6), m.Reset(2), "used up before the attempt that says less")
	require.Equal(t, int64(7), m.Reset(99), "no more than ever came")
	require.Equal(t, int32(5), m.Epoch)

	var never task.Mailbox
	require.Zero(t, never.Reset(0))
	require.Equal(t, task.Mailbox{Epoch: 1}, never)
}

func TestATaskThatHasEndedTakesNothing(t *testing.T) {
	var m task.Mailbox
	m.End()
	require.False(t, m.Takes(0))
	m.Reset(0)
	require.True(t, m.Takes(1), "it was begun again")
}
