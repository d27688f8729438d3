package store_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func share(node byte, has, want int32) store.Share {
	return store.Share{Queue: 1, Node: task.ID{node}, Has: store.Amount{Slots: has}, Want: store.Amount{Slots: want}}
}

func TestALimitIsDividedByWhatIsWanted(t *testing.T) {
	for _, c := range []struct {
		name        string
		limit, keep int32
		has, want   int32 // of node 5, which asks
		others      []store.Share
		gets        int32
		short       bool
	}{
		{"alone", 10, 0, 0, 10, nil, 10, false},
		{"alone, and wants less", 10, 0, 0, 3, nil, 3, false},
		{"keeps what nobody is short of", 10, 0, 10, 3, nil, 10, false},
		{"keeps what nobody else wants", 10, 0, 8, 3, []store.Share{share(1, 2, 2)}, 8, false},
		{"gets what is left, and is due half", 10, 0, 0, 10, []store.Share{share(1, 8, 10)}, 2, true},
		{"gives back down to half", 10, 0, 8, 10, []store.Share{share(1, 2, 10)}, 5, false},
		{"gives back what it does not want", 10, 0, 8, 1, []store.Share{share(1, 2, 10)}, 1, false},
		{"gives back no more than others are short of", 10, 0, 8, 1, []store.Share{share(1, 2, 4)}, 6, false},
		{"keeps what it uses", 10, 7, 8, 10, []store.Share{share(1, 2, 10)}, 7, false},
		{"uses more than there is", 2, 7, 0, 7, []store.Share{share(1, 2, 10)}, 7, false},
		{"the limit was lowered", 4, 0, 8, 10, []store.Share{share(1, 2, 10)}, 2, false},
		{"others use too much", 4, 0, 0, 10, []store.Share{share(1, 6, 10)}, 0, true},
		{"there is none", 0, 3, 5, 5, nil, 0, false},
		{"three share ten, and the first gets what is over", 10, 0, 4, 10, []store.Share{share(1, 3, 10), share(2, 3, 10)}, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := store.Ask{Queue: 1, Limit: store.Amount{Slots: c.limit}, Keep: store.Amount{Slots: c.keep}, Want: store.Amount{Slots: c.want}}
			d := store.Divide(ask, true, task.ID{5}, append(c.others, share(5, c.has, 0)), 0)
			require.Equal(t, c.gets, d.Has.Slots)
			require.Equal(t, c.short, d.Short)
			require.Equal(t, share(5, c.gets, c.want), d.Mine)
		})
	}
}

func TestWhoKnowsOldSettingsGetsNoMore(t *testing.T) {
	ask := store.Ask{Queue: 1, Limit: store.Amount{Slots: 10}, Want: store.Amount{Slots: 10}}
	require.Equal(t, int32(2), store.Divide(ask, false, task.ID{5}, []store.Share{share(5, 2, 10)}, 0).Has.Slots)
	require.Equal(t, int32(0), store.Divide(ask, false, task.ID{5}, nil, 0).Has.Slots)
}

// TestWhoHasNothingOfOneLimitHasNothingOfTheOther: with the slots at one node and the
// starts at another one, nothing would run.
func TestWhoHasNothingOfOneLimitHasNothingOfTheOther(t *testing.T) {
	for _, limit := range []store.Amount{{Slots: 1, Burst: 9}, {Slots: 9, Burst: 1}, {Slots: 2, Burst: 1}, {Slots: 1, Burst: 1}, {Slots: 4, Burst: 2}} {
		for turn := range int64(3) {
			var sum store.Amount
			for node := byte(1); node <= 3; node++ {
				var all []store.Share
				for other := byte(1); other <= 3; other++ {
					all = append(all, store.Share{Queue: 1, Node: task.ID{other}, Want: limit})
				}
				ask := store.Ask{Queue: 1, Limit: limit, Every: 1, Want: limit}
				has := store.Divide(ask, true, task.ID{node}, append(all, store.Share{Queue: 1, Has: store.Amount{Burst: limit.Burst}, At: 1}), turn*10_000_000).Has
				require.Equal(t, has.Slots > 0, has.Burst > 0, "%+v of %+v", has, limit)
				sum.Slots += has.Slots
				sum.Burst += has.Burst
			}
			require.Equal(t, limit, sum, "all of it is in use")
		}
	}
}

func TestOneSlotGoesRound(t *testing.T) {
	had := map[byte]bool{}
	for turn := range int64(3) {
		for node := byte(1); node <= 3; node++ {
			ask := store.Ask{Queue: 1, Limit: store.Amount{Slots: 1}, Want: store.Amount{Slots: 1}}
			if store.Divide(ask, true, task.ID{node}, []store.Share{share(1, 0, 1), share(2, 0, 1), share(3, 0, 1)}, turn*10_000_000).Has.Slots == 1 {
				require.False(t, had[node])
				had[node] = true
			}
		}
	}
	require.Len(t, had, 3)
}

// TestWhatIsDividedIsNeverMore: whatever nodes ask, in any order, all together have
// no more than the limit unless they use it, and starts are never made.
func TestWhatIsDividedIsNeverMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := store.Amount{Slots: rapid.Int32Range(1, 9).Draw(rt, "slots"), Burst: rapid.Int32Range(1, 9).Draw(rt, "burst")}
		const every = 1_000_000_000 // a start a second
		nodes := map[task.ID]store.Share{}
		levels := map[task.ID]int64{}
		rest := []store.Share{}
		now := int64(1)
		began, spent, ceded := now, int64(0), int64(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			id := task.ID{rapid.Byte().Draw(rt, "node")%3 + 1}
			mine := nodes[id]
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				now += rapid.Int64Range(0, 3_000_000).Draw(rt, "pass")
			case 1: // it starts what it can, at the end of all it was given
				spent += levels[id]
				levels[id] = 0
			case 2: // it is gone, and all it was good for
				delete(nodes, id)
				ceded += levels[id]
				levels[id] = 0
			case 3:
				ask := store.Ask{
					Queue: 1, Limit: limit, Every: every,
					Want: store.Amount{Slots: rapid.Int32Range(0, 9).Draw(rt, "want"), Burst: rapid.Int32Range(0, 9).Draw(rt, "want burst")},
				}
				all := append([]store.Share{}, rest...)
				for _, s := range nodes {
					all = append(all, s)
				}
				rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				d := store.Divide(ask, true, id, all, now)
				if less := int64(mine.Has.Burst - d.Has.Burst); less > 0 { // only what it may keep stays
					back := max(levels[id]-int64(d.Has.Burst)*1_000_000, 0)
					ask.Back = back
					levels[id] -= back
					d = store.Divide(ask, true, id, all, now)
				}
				levels[id] += d.Credit
				nodes[id], rest = d.Mine, []store.Share{d.Rest}
			}
			var sum store.Amount
			level := int64(0)
			for id, s := range nodes {
				sum.Slots += s.Has.Slots
				sum.Burst += s.Has.Burst
				level += levels[id]
			}
			if len(rest) > 0 {
				sum.Burst += rest[0].Has.Burst
				level += rest[0].Level
			}
			if sum.Slots > limit.Slots || sum.Burst > limit.Burst {
				rt.Fatalf("%+v of %+v are given away", sum, limit)
			}
			if most := int64(limit.Burst)*1_000_000 + now - began; spent+level+ceded > most {
				rt.Fatalf("%d starts were made, and %d are left: more than %d", spent, level, most)
			}
		}
	})
}
