package storetest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// RunDeps is Run for a store whose tasks depend on each other, a few at a time being
// told of an end. open is as for Run.
func RunDeps(t *testing.T, open func(clock func() int64) store.Store) {
	page := store.FollowPage
	t.Cleanup(func() { store.FollowPage = page })
	store.FollowPage = 3
	t.Run("every answer", func(t *testing.T) {
		m := newMachine(t, open, map[string]int{})
		for _, what := range answersOfDeps {
			m.reach(what, aimsOfDeps[what])
			m.compareAll()
		}
	})
	t.Run("by chance", func(t *testing.T) { random(t, open, (*machine).actionsOfDeps) })
}

func (m *machine) actionsOfDeps() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"insert": m.insertDependent, "insert2": m.insertDependent, "insertAgain": m.insertAgain,
		"work": m.work, "work2": m.work, "work3": m.work, "settleAgain": m.settleAgain, "acks": m.acks, "claim": m.claim,
		"operate": m.operateDependent, "operate2": m.operateDependent, "change": m.changeSome, "purge": m.purge, "promote": m.promote, "retain": m.retain,
		"rescue": m.rescue, "loseNodes": m.loseNodes, "follow": m.followSome, "follow2": m.followSome, "read": m.readDeps, "list": m.list,
		"aim": func(t *rapid.T) {
			what := rapid.SampledFrom(answersOfDeps).Draw(t, "answer")
			m.reach(what, aimsOfDeps[what])
		},
		"advance": func(t *rapid.T) { m.now += rapid.Int64Range(1, 2*second).Draw(t, "microseconds") },
		"":        func(*rapid.T) { m.compareAll() },
	}
}

// consistentDeps checks that what is counted is what there is, and that nobody waits for
// what has ended.
func consistentDeps(s *store.Snapshot) error {
	rows := map[task.ID]*store.Row{}
	for i := range s.Tasks {
		rows[s.Tasks[i].ID] = &s.Tasks[i]
	}
	ends := map[task.ID][]task.End{}
	for _, d := range s.Deps {
		up, down := rows[d.Up], rows[d.Down]
		ends[d.Down] = append(ends[d.Down], d.Ended)
		switch {
		case down == nil || down.Flags&store.FlagNeed == 0:
			return fmt.Errorf("%s depends on %s, and is not stored or does not know it", d.Down, d.Up)
		case up != nil && up.Flags&store.FlagDeps == 0 && d.Ended == task.NotEnded:
			return fmt.Errorf("%s depends on %s, which does not know it", d.Down, d.Up)
		case d.Ended == task.NotEnded && (up == nil || up.State.Final()) && down.Place() == store.InRelation && !toBeTold(s, d):
			return fmt.Errorf("%s waits for %s, which has ended or is gone", d.Down, d.Up)
		}
	}
	needs := map[task.ID]bool{}
	for _, n := range s.Needs {
		needs[n.Task] = true
		want := store.NeedOf(n.Task, n.Lane, n.When, ends[n.Task])
		if want.Waits = n.Waits; want != n {
			return fmt.Errorf("%+v is counted where there is %+v", n, want)
		}
		if n.Waits && n.Verdict() != task.StillWaits {
			return fmt.Errorf("%+v waits although it is decided", n)
		}
	}
	for _, row := range s.Tasks {
		if row.Flags&store.FlagNeed != 0 != needs[row.ID] {
			return fmt.Errorf("task %s has flags %b and depends on others: %v", row.ID, row.Flags, needs[row.ID])
		}
	}
	return nil
}

// toBeTold tells whether a follower is told later that what it depends on has ended.
func toBeTold(s *store.Snapshot, d store.Dep) bool {
	return slices.ContainsFunc(s.Todos, func(t store.Todo) bool {
		return (t.Kind == store.Release || t.Kind == store.Revive) && t.Task == d.Up && slices.Compare(t.Cursor[:], d.Down[:]) < 0
	})
}
