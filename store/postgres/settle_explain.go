package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// explain tells transitions that changed nothing apart: already applied, or of an
// attempt that lost its lease; those that concern others than expected are returned, to
// be sent once more. again says that an earlier commit may have been theirs.
func (s *Store) explain(ctx context.Context, endings []*ending, again bool) (others []*ending) {
	missing := slices.DeleteFunc(slices.Clone(endings), func(e *ending) bool { return e.done })
	if len(missing) == 0 {
		return nil
	}
	found, err := s.lookAgain(ctx, missing, again)
	for _, e := range missing {
		if err != nil {
			e.call.err = err
			continue
		}
		if l := found[e.ID]; e.overlooks(l) {
			e.expect(l.flags, l.parent)
			others = append(others, e)
			continue
		}
		e.fail(e.verdict(found[e.ID]))
		if again {
			e.wakeAgain(found)
		}
	}
	return others
}

// overlooks tells whether an ending was not written because it concerns others that
// nobody had expected.
func (e *ending) overlooks(l *left) bool {
	if l == nil || l.token != e.Token || l.state != task.Running {
		return false
	}
	news := l.flags &^ e.expected()
	return e.Decision.To.Final() && news&store.Related != 0 || e.Decision.To != task.Ready && news&store.FlagGate != 0
}

// left is a task as it is found after a commit.
type left struct {
	token   int64
	state   task.State
	outcome task.Class
	flags   int32
	parent  task.ID
	woken   store.Woken
}

const leftSQL = `select id, token, state, last_outcome, lane, kind, prio, crashes, at, flags, parent from sendoff.task where id = any($1)`

// lookAgain reads the tasks of endings, and those that they may have woken.
func (s *Store) lookAgain(ctx context.Context, endings []*ending, again bool) (map[task.ID]*left, error) {
	var ids []task.ID
	for _, e := range endings {
		ids = append(ids, e.ID)
		if again {
			ids = append(ids, e.wakes()...)
		}
	}
	found := map[task.ID]*left{}
	err := s.patiently(ctx, func(ctx context.Context, c *session) error {
		return c.do(ctx, query(leftSQL).idList(sortedIDs(ids)).rows(func(r *wireRow) {
			id, l := r.id(), &left{token: r.i8(), state: task.State(r.i2()), outcome: task.Class(r.i2())}
			l.woken.Lane = r.i4()
			l.woken.Priority = task.ReadyPriority(task.Kind(r.i2()), r.i2(), r.i4())
			l.woken.Position = r.i8()
			l.flags, l.parent = r.i4(), r.id()
			found[id] = l
		}))
	})
	return found, err
}

// verdict is what a settle that changed nothing is answered with; nil = it had been
// applied before.
func (e *ending) verdict(l *left) error {
	switch {
	case l == nil:
		return store.ErrLeaseLost
	case e.Applied(l.token, l.state, l.outcome):
		return nil
	case l.token == e.Token && l.state == task.Running && e.Effects != nil && e.Effects.Append != nil:
		return store.ErrBadValue // another segment is in the journal's place
	}
	return store.ErrLeaseLost
}

// wakeAgain tells what the first commit woke, whose answer was lost.
func (e *ending) wakeAgain(found map[task.ID]*left) {
	for _, id := range append(e.wakes(), e.ID) {
		if l := found[id]; l != nil && l.state == task.Ready {
			e.call.woken = store.Collect(e.call.woken, l.woken)
		}
	}
}

// wakes are the other tasks that an ending may make ready.
func (e *ending) wakes() []task.ID {
	if e.Effects == nil {
		return nil
	}
	ids := []task.ID{e.parent()}
	for i := range e.Effects.Calls {
		ids = append(ids, e.Effects.Calls[i].ID)
	}
	return ids
}
