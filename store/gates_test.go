package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestGatesOfATaskComeBackAsTheyWereInTheOrderOfTheirIDs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var gates []store.Gate
		for range rapid.IntRange(0, 8).Draw(rt, "gates") {
			gates = append(gates, store.Gate{
				Kind: store.GateKind(rapid.IntRange(1, 3).Draw(rt, "kind")), Namespace: rapid.Int32().Draw(rt, "namespace"), Name: rapid.String().Draw(rt, "name"),
				Capacity: rapid.Int32().Draw(rt, "capacity"), Every: rapid.Int64().Draw(rt, "every"), Burst: rapid.Int32().Draw(rt, "burst"),
				OnFull: store.OnFull(rapid.IntRange(0, 3).Draw(rt, "on full")),
			})
		}
		got, err := store.DecodeGates(store.EncodeGates(gates))
		require.NoError(rt, err)
		require.Subset(rt, gates, got)
		seen := map[store.Hash]bool{}
		before := store.Hash{}
		for i := range got {
			id := got[i].ID()
			require.True(rt, i == 0 || string(before[:]) < string(id[:]))
			before, seen[id] = id, true
		}
		for i := range gates {
			require.True(rt, seen[gates[i].ID()], "none is missing")
		}
	})
	for _, bad := range [][]byte{{0x80}, {2}, {2, 2, 2, 2, 2, 2, 100}} {
		_, err := store.DecodeGates(bad)
		require.Error(t, err)
	}
}

// gates is a floor for a Keeper with nobody in line.
type gates map[store.Hash]store.GateRow

func (g gates) Gate(id store.Hash) (*store.GateRow, error) {
	if row, ok := g[id]; ok {
		return &row, nil
	}
	return nil, nil
}

func (g gates) PutGate(row *store.GateRow, over bool) error {
	g[row.ID] = *row
	if over {
		delete(g, row.ID)
	}
	return nil
}

func (gates) First(store.Hash) (*store.Row, error)    { return nil, nil }
func (gates) PutLine(store.LineEntry) error           { return nil }
func (gates) TakeLine(store.LineEntry) (bool, error)  { return true, nil }
func (gates) Admit(*store.Row, store.Placement) error { return nil }
func (g gates) step(now int64, fn func(*store.Keeper) error) error {
	k := store.Keeper{Now: now, Floor: g}
	err := fn(&k)
	if _, closed := k.Close(); err == nil {
		err = closed
	}
	return err
}

// Whenever tasks come, those that start in any span of time are no more than the rate
// gives in it, and the burst.
func TestARateIsKeptInEveryWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gate := store.Gate{
			Kind: store.LimitGate, Name: "k", Every: rapid.Int64Range(1, 1000).Draw(rt, "every"), Burst: int32(rapid.IntRange(1, 20).Draw(rt, "burst")),
		}
		floor, now := gates{}, int64(1_000_000)
		var starts []int64
		for range rapid.IntRange(1, 200).Draw(rt, "tasks") {
			now += rapid.Int64Range(0, 2*gate.Every).Draw(rt, "pause") * int64(rapid.IntRange(0, 1).Draw(rt, "paused"))
			row := store.Row{ID: task.ID{1}, Flags: store.FlagGate}
			require.NoError(rt, floor.step(now, func(k *store.Keeper) error {
				e, err := k.Enter(&row, []store.Gate{gate}, store.Newcomer, task.NoReason, false)
				start := now
				if e.State == task.Scheduled {
					start = e.Due
					require.Equal(rt, task.Throttled, e.Reason)
					require.Greater(rt, start, now)
				}
				starts = append(starts, start)
				return err
			}))
		}
		for i := range starts {
			for j := i; j < len(starts); j++ {
				window := starts[j] - starts[i]
				require.LessOrEqual(rt, int64(j-i+1), window/gate.Every+int64(gate.Burst), "from %d to %d", i, j)
			}
		}
		require.LessOrEqual(rt, starts[len(starts)-1], now+int64(len(starts))*gate.Every, "nobody waits longer than the rate asks for")
	})
}

func TestAStartThatIsLateTakesAnotherSlot(t *testing.T) {
	fast, slow := []store.Gate{{Every: 10_000, Burst: 20}}, []store.Gate{{Capacity: 1}, {Every: 60_000_000, Burst: 2}}
	for _, c := range []struct {
		gates []store.Gate
		after int64
		late  bool
	}{
		{fast, 1_000_000, false}, {fast, 1_000_001, true}, {slow, 120_000_000, false}, {slow, 120_000_001, true}, {slow[:1], 1 << 60, false},
	} {
		require.Equal(t, c.late, store.Late(c.gates, 5, 5+c.after), "%v after %d", c.gates, c.after)
	}
}

func TestAGateIsOverWhenThereIsNothingToKnowOfIt(t *testing.T) {
	require.True(t, (&store.GateRow{}).Over(5))
	require.True(t, (&store.GateRow{Every: 1, Next: 5}).Over(5))
	for _, g := range []store.GateRow{{Inside: 1}, {Waiting: 1}, {Configured: true}, {Every: 1, Next: 6}} {
		require.False(t, g.Over(5), "%+v", g)
	}
}
