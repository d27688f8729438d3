package pages

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// call is a task that was made and ended at seconds from the beginning; to < 0 = it runs.
func call(id, parent string, state sendoff.State, from, to int) sendoff.Task {
	t := sendoff.Task{ID: id, ParentID: parent, Function: id, Kind: "function", State: state, CreatedAt: at(from), StartedAt: at(from)}
	if to >= 0 {
		t.FinishedAt = at(to)
	}
	return t
}

func at(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }

func drawn(rows []treeRow) (out []string) {
	for _, r := range rows {
		name := r.note
		if r.call != nil {
			name = r.call.ID
		}
		if r.decisive {
			name += " *"
		}
		out = append(out, r.lines+name)
	}
	return out
}

func TestATreeHasCallersBeforeTheirCalls(t *testing.T) {
	tree := &Tree{Items: []sendoff.Task{
		call("top", "", "succeeded", 0, 9), call("a", "top", "succeeded", 1, 3), call("b", "top", "succeeded", 1, 8), call("c", "a", "succeeded", 2, 3), call("d", "b", "failed", 2, 7),
	}}
	require.Equal(t, []string{"top *", "├─ a", "│  └─ c", "└─ b *", "   └─ d *"}, drawn(tree.rows()))
	require.Equal(t, "4 calls: 1 failed, 3 succeeded", tree.words())
}

// TestManyCallsOfOneCallerAreSummedUp, but for those that did not succeed, until they are
// asked for; and no page has more than its rows.
func TestManyCallsOfOneCallerAreSummedUp(t *testing.T) {
	tree := &Tree{Items: []sendoff.Task{call("top", "", "running", 0, -1)}}
	for i := range 700 {
		state := sendoff.StateSucceeded
		if i == 600 {
			state = sendoff.StateFailed
		}
		tree.Items = append(tree.Items, call(fmt.Sprint("c", i), "top", state, 1, 2))
	}
	lines := drawn(tree.rows())
	require.Len(t, lines, 1+10+1+1)
	require.Contains(t, lines, "├─ c600")
	require.Equal(t, "└─ 689 more calls", lines[12])
	require.Equal(t, "?open=top", string(tree.rows()[12].all))
	tree.Query = map[string][]string{"open": {"top"}}
	require.Len(t, tree.rows(), treeRowsMost)
}

func TestADeepTreeIsNoLargePage(t *testing.T) {
	tree := &Tree{Items: []sendoff.Task{call("0", "", "succeeded", 0, 1)}}
	for i := 1; i < 2000; i++ {
		tree.Items = append(tree.Items, call(fmt.Sprint(i), fmt.Sprint(i-1), "succeeded", 0, 1))
	}
	require.Less(t, len(strings.Join(drawn(tree.rows()), "")), 60<<10)
}

// TestIdleTimeIsFolded: three seconds of work around a day of sleep are drawn with room
// for the work.
func TestIdleTimeIsFolded(t *testing.T) {
	const day = 24 * 3600
	top := call("top", "", "succeeded", 0, day+3)
	top.StartedAt = at(day + 2)
	first, last := call("first", "top", "succeeded", 0, 1), call("last", "top", "failed", day+1, day+2)
	a := axisOf([]*sendoff.Task{&top, &first, &last}, at(day+3))
	folds, words := a.folds()
	require.Len(t, folds, 1)
	require.Contains(t, words, "24 h are left out")
	require.InDelta(t, timelineWidth/3.15, a.x(at(1)), 3)
	require.InDelta(t, timelineWidth, a.x(at(day+3)), 0.01)
	bars := a.bars(&last, at(day+3))
	require.Len(t, bars, 1)
	require.Equal(t, "p-bad", bars[0].class)
	require.Equal(t, "last attempt, 1 s", bars[0].words)

	busy := call("busy", "top", "running", 0, -1)
	folds, _ = axisOf([]*sendoff.Task{&top, &first, &last, &busy}, at(day+3)).folds()
	require.Empty(t, folds, "a call was at work all the time")
	never := sendoff.Task{ID: "n", State: "scheduled", CreatedAt: at(0)}
	require.Len(t, axisOf([]*sendoff.Task{&never}, at(10)).bars(&never, at(10)), 1)
	require.Empty(t, axisOf([]*sendoff.Task{&never}, at(0)).bars(&never, at(0)))
}
