package calltree

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

var update = flag.Bool("update", false, "write the golden frames anew")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// grove is a tree with a call in every state.
func grove() *forest {
	f := newForest(100)
	at := func(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []*Call{
		{key: "1", Name: "pipeline", State: sendoff.StateSuspended, Attempt: 1, Began: at(-5)},
		{key: "2", Parent: "1", Name: "sum_of_page", State: sendoff.StateSucceeded, Attempt: 2, Began: at(-4.9), Ended: at(-3.7)},
		{key: "3", Parent: "2", Name: "fetch", State: sendoff.StateSucceeded, Attempt: 1, Began: at(-4.8), Ended: at(-4.788), folded: 7},
		{key: "4", Parent: "1", Name: "sum_of_page", State: sendoff.StateSuspended, Attempt: 1, Began: at(-4.5)},
		{key: "5", Parent: "4", Name: "fetch", State: sendoff.StateScheduled, Attempt: 3, Began: at(-4), Next: at(0.8), Err: "ConnectionError: page 1\ndid not answer"},
		{key: "6", Parent: "4", Name: "double", State: sendoff.StateRunning, Attempt: 1, Began: at(-0.02)},
		{key: "7", Parent: "1", Name: "世界 \x1b[31m", State: sendoff.StateFailed, Reason: "rejected", Attempt: 1, Began: at(-1), Ended: at(-0.5), Err: "ValueError: " + strings.Repeat("no ", 40)},
		{key: "8", Name: "http://127.0.0.1:9000/a/very/long/address/of/something/that/is/pushed/to", State: sendoff.StateReady},
		{key: "9", Parent: "gone", Name: "orphan", State: sendoff.StateCanceled, Reason: "requested", Began: at(-9), Ended: at(-8)},
	} {
		f.put(c)
	}
	return f
}

func picture(mode screenMode, columns, lines int) *frame {
	same := func(_, text string) string { return text }
	return &frame{
		columns: columns, lines: lines, now: noon, mode: mode, selected: -1, status: "9 calls, 5 in flight  |  q quit",
		paint: same, reverse: func(text string) string { return text },
	}
}

func TestTheLiveViewIsDrawn(t *testing.T) {
	logs := []string{"app | one", "app | two", "app | " + strings.Repeat("long ", 30), "sendoff | four"}
	for name, f := range map[string]func() *frame{
		"tree": func() *frame {
			f := picture(treeScreen, 90, 20)
			f.rows, f.logs, f.selected = grove().rows(treeView{}), logs, 4
			return f
		},
		"tree-small": func() *frame {
			f := picture(treeScreen, 40, 6)
			f.rows, f.logs, f.top = grove().rows(treeView{}), logs, 3
			return f
		},
		"empty": func() *frame {
			f := picture(treeScreen, 60, 8)
			f.intro = []string{"no calls yet"}
			return f
		},
		"logs": func() *frame {
			f := picture(logScreen, 40, 5)
			f.logs, f.back = logs, 1
			return f
		},
		"detail": func() *frame {
			f := picture(detailScreen, 40, 6)
			f.detail, f.detailTop = []string{"call  fetch", "input " + strings.Repeat("0123456789", 6), "result 3"}, 1
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			drawn := f()
			lines := drawn.draw()
			require.Len(t, lines, drawn.lines)
			for _, l := range lines {
				require.LessOrEqual(t, term.Width(l), drawn.columns, l)
				require.NotContains(t, l, "\x1b")
			}
			golden(t, name, strings.Join(lines, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "frames", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestEverySizeOfTerminalIsDrawnOn(t *testing.T) {
	rows := grove().rows(treeView{})
	for columns := 1; columns < 50; columns++ {
		for lines := 1; lines < 20; lines++ {
			for _, mode := range []screenMode{treeScreen, logScreen, detailScreen} {
				f := picture(mode, columns, lines)
				f.rows, f.logs, f.detail = rows, []string{"app | 世界"}, []string{"世界", ""}
				require.Len(t, f.draw(), lines)
				for _, l := range f.draw() {
					require.LessOrEqual(t, term.Width(l), max(columns, 2), "%d x %d", columns, lines)
				}
			}
		}
	}
}

func TestKeysMoveTheSelectionAndTheLog(t *testing.T) {
	v := &Live{t: &term.Terminal{}, screen: &screen.Screen{Columns: 80, Lines: 24}, follow: true}
	v.rows = grove().rows(treeView{})
	v.move(-1)
	require.Equal(t, "9", v.pick)
	require.False(t, v.follow)
	v.move(-1 << 20)
	require.Equal(t, "1", v.pick)
	v.move(3) // onto the note below fetch
	require.Equal(t, "4", v.pick)
	v.move(-1)
	require.Equal(t, "3", v.pick)
	for range maxLogs + 5 {
		v.Log("app | x")
	}
	require.Len(t, v.logs, maxLogs-maxLogs/10+5)
	require.Equal(t, maxLogs/10, v.cutOff)
}

func TestOldCallsThatEndedAreForgotten(t *testing.T) {
	f := newForest(100)
	f.put(&Call{key: "0000", Name: "root", State: sendoff.StateSuspended})
	for i := 1; i <= 500; i++ {
		key := strconv.Itoa(1000 + i)
		f.put(&Call{key: key, Parent: "0000", Name: "leaf", State: sendoff.StateRunning})
		f.put(&Call{key: key, Parent: "0000", Name: "leaf", State: sendoff.StateSucceeded})
		f.trim()
		require.LessOrEqual(t, len(f.calls), 100)
	}
	require.Equal(t, 501, f.Total)
	require.Equal(t, 500, f.Ended[sendoff.StateSucceeded])
	require.Equal(t, 1, f.Open())
	require.Equal(t, f.hidden(), f.calls["0000"].folded)
	rows := f.rows(treeView{})
	require.Equal(t, "root", rows[0].call.Name)
	require.Contains(t, rows[len(rows)-1].note, "earlier calls not shown")
	require.Equal(t, "1500", rows[len(rows)-2].call.key)
}

func TestManyCallsOfOneCallerAreSummedUp(t *testing.T) {
	f := newForest(1000)
	f.put(&Call{key: "0", Name: "root", State: sendoff.StateSucceeded})
	for i := range 300 {
		state := sendoff.StateSucceeded
		if i%100 == 99 {
			state = sendoff.StateFailed
		}
		f.put(&Call{key: strconv.Itoa(1000 + i), Parent: "0", Name: "leaf", State: state})
	}
	rows, failed := f.rows(treeView{siblings: 20}), 0
	for _, r := range rows {
		if r.call != nil && r.call.State == sendoff.StateFailed {
			failed++
		}
	}
	require.Equal(t, 3, failed)
	require.Equal(t, "287 more calls", rows[len(rows)-1].note)
	require.Len(t, f.rows(treeView{}), 301)
}

func TestTheTreeIsFoldedAndFiltered(t *testing.T) {
	f := grove()
	f.calls["2"].steps = callSteps{earlier: 3, items: []sendoff.StepRecord{
		{Name: "a", State: sendoff.StateSucceeded, Attempts: 1, StartedAt: noon, FinishedAt: noon.Add(time.Second), Duration: time.Second},
		{Name: "b", State: sendoff.StateFailed, Attempts: 5, StartedAt: noon, FinishedAt: noon, Error: &sendoff.FunctionError{Message: "no"}},
	}}
	shown := func(v treeView) (texts []string) {
		for _, r := range f.rows(v) {
			texts = append(texts, r.lines+r.label())
		}
		return texts
	}
	require.Subset(t, shown(treeView{}), []string{"│  ├─ 3 earlier steps not shown", "│  ├─ fetch", "│  ├─ step a", "│  └─ step b"})
	require.Equal(t, []string{
		"pipeline", "├─ sum_of_page [+5]", "├─ sum_of_page [+2]", "└─ 世界 \x1b[31m",
		"http://127.0.0.1:9000/a/very/long/address/of/something/that/is/pushed/to", "orphan",
	}, shown(treeView{folded: map[string]bool{"2": true, "4": true}}))
	// Failed ones, those that failed until now, and their callers.
	require.Equal(t, []string{"pipeline", "├─ sum_of_page", "│  └─ step b", "├─ sum_of_page", "│  └─ fetch", "└─ 世界 \x1b[31m"}, shown(treeView{failed: true}))
	require.Equal(t, "9 calls: 1 running, 1 ready, 2 suspended, 1 scheduled, 2 succeeded, 1 failed, 1 canceled", f.counts())
}
