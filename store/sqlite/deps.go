package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const selectNeed = `select task, lane, rule, waits, total, ok, failed, skipped from need `

func scanNeed(r *sql.Rows) (n store.Need, err error) {
	var id sql.RawBytes
	err = r.Scan(&id, &n.Lane, &n.When, &n.Waits, &n.Total, &n.OK, &n.Failed, &n.Skipped)
	copy(n.Task[:], id)
	return n, err
}

// Need implements store.Deps.
func (s *Store) Need(ctx context.Context, id task.ID) (n store.Need, found bool, err error) {
	list, err := readAll(ctx, s, scanNeed, selectNeed+`where task = ?`, id[:])
	if len(list) > 0 {
		return list[0], true, err
	}
	return n, false, err
}

// Dependencies implements store.Deps.
func (s *Store) Dependencies(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	return readAll(ctx, s, scanDependency, `select d.up, coalesce(t.state, 0), coalesce(t.reason, 0), d.ended
		from dep d left join task t on t.id = d.up where d.down = ? and d.up > ? order by d.up limit ?`, id[:], after[:], limit)
}

// Followers implements store.Deps.
func (s *Store) Followers(ctx context.Context, id, after task.ID, limit int) ([]store.Dependency, error) {
	return readAll(ctx, s, scanDependency, `select d.down, coalesce(t.state, 0), coalesce(t.reason, 0), d.ended
		from dep d left join task t on t.id = d.down where d.up = ? and d.down > ? order by d.down limit ?`, id[:], after[:], limit)
}

func scanDependency(r *sql.Rows) (d store.Dependency, err error) {
	var id []byte
	err = r.Scan(&id, &d.State, &d.Reason, &d.Ended)
	copy(d.ID[:], id)
	return d, err
}

var markUp = words.SQL(`update task set flags = flags | :flag_deps where id = ? and flags & :flag_deps = 0`)

// depend says of new tasks' dependencies that others depend on them, and how they have
// ended.
func (w *writer) depend(deps []task.ID) ([]task.End, error) {
	ends := make([]task.End, len(deps))
	for i, up := range deps {
		var err error
		if ends[i], err = w.endOf(up); err == nil {
			err = w.exec(markUp, up[:])
		}
		if err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// endOf is how a task has ended; sql.ErrNoRows when it is not stored.
func (w *writer) endOf(id task.ID) (task.End, error) {
	var state task.State
	var why task.Reason
	err := w.one(`select state, reason from task where id = ?`, []any{id[:]}, &state, &why)
	return task.EndOf(state, why), err
}

// insertDeps writes what a new task depends on.
func (w *writer) insertDeps(n *store.Need, deps []task.ID, ends []task.End) error {
	for i, up := range deps {
		if err := w.exec(`insert into dep (up, down, ended) values (?,?,?)`, up[:], n.Task[:], int64(ends[i])); err != nil {
			return err
		}
	}
	return w.putNeed(n)
}

func (w *writer) putNeed(n *store.Need) error {
	return w.exec(`insert into need (task, lane, rule, waits, total, ok, failed, skipped) values (?,?,?,?,?,?,?,?)
		on conflict (task) do update set waits = excluded.waits, total = excluded.total, ok = excluded.ok, failed = excluded.failed, skipped = excluded.skipped`,
		n.Task[:], n.Lane, int64(n.When), n.Waits, n.Total, n.OK, n.Failed, n.Skipped)
}

// recount counts anew what a task depends on, if anything, from how that has ended by
// now, and returns what to write for that.
func (w *writer) recount(row *store.Row) (n store.Need, changed []store.Dep, err error) {
	var ends []task.End
	err = w.query(func(r *sql.Rows) error {
		d, err := scanDependency(r)
		end := store.EndedAs(d.State, d.Reason, d.Ended)
		if ends = append(ends, end); end != d.Ended {
			changed = append(changed, store.Dep{Up: d.ID, Down: row.ID, Ended: end})
		}
		return err
	}, `select d.up, coalesce(t.state, 0), coalesce(t.reason, 0), d.ended from dep d left join task t on t.id = d.up where d.down = ? order by d.up`, row.ID[:])
	if err != nil {
		return n, nil, err
	}
	err = w.query(func(r *sql.Rows) (err error) {
		n, err = scanNeed(r)
		return err
	}, selectNeed+`where task = ?`, row.ID[:])
	return store.NeedOf(row.ID, n.Lane, n.When, ends), changed, err
}

// needAgain writes what was recounted.
func (w *writer) needAgain(n *store.Need, changed []store.Dep) error {
	for _, d := range changed {
		if err := w.exec(`update dep set ended = ? where up = ? and down = ?`, int64(d.Ended), d.Up[:], d.Down[:]); err != nil {
			return err
		}
	}
	return w.putNeed(n)
}

var blockTask = words.SQL(`update task set state = :blocked, reason = :reason_dependencies, at = 0 where id = ?`)

// unneed takes a task out of those that wait for others.
func (w *writer) unneed(id task.ID) error {
	return w.exec(`update need set waits = 0 where task = ?`, id[:])
}

// follow tells the followers of a task that it has ended, and those of the ones that
// end because of that, up to a page. A Todo is left for the others, and for callbacks.
func (w *writer) follow(up *store.Row, end task.End, k *woken) error {
	if up.Flags&store.FlagDeps == 0 {
		return nil
	}
	return errors.Join(
		w.leave(store.CallbackOf(up.ID, up.Run, up.Flags, end, w.now)),
		w.followAll(&store.Todo{Kind: store.Release, Task: up.ID, Token: int64(up.Run), End: end}, k))
}

func (w *writer) followAll(first *store.Todo, k *woken) error {
	left := store.FollowPage
	for ups := []*store.Todo{first}; len(ups) > 0; ups = ups[1:] {
		up := ups[0]
		page, err := w.followers(up, left)
		if err != nil {
			return err
		}
		for i := range page {
			ended, err := w.counted(up, &page[i], k)
			if err != nil {
				return err
			}
			if ended != nil {
				ups = append(ups, ended)
			}
		}
		if left -= len(page); left > 0 {
			continue
		}
		for _, up := range ups {
			if up.At = w.now; len(page) > 0 {
				up.Cursor = page[len(page)-1].Task
			}
			page = nil
			if err := w.leave(up); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// follower is one of those that depend on a task.
type follower struct {
	store.Need
	before task.End // as the task was counted
}

func (w *writer) followers(up *store.Todo, limit int) (page []follower, err error) {
	err = w.query(func(r *sql.Rows) error {
		var f follower
		var id sql.RawBytes
		err := r.Scan(&id, &f.Lane, &f.When, &f.Waits, &f.Total, &f.OK, &f.Failed, &f.Skipped, &f.before)
		copy(f.Task[:], id)
		page = append(page, f)
		return err
	}, `select n.task, n.lane, n.rule, n.waits, n.total, n.ok, n.failed, n.skipped, d.ended
		from dep d join need n on n.task = d.down where d.up = ? and d.down > ? order by d.down limit +?`, up.Task[:], up.Cursor[:], limit)
	return page, err
}

// counted has a follower count how a task has ended. When it ends because of that, what
// is to be told its own followers is returned.
func (w *writer) counted(up *store.Todo, f *follower, k *woken) (ended *store.Todo, err error) {
	if f.before == up.End {
		return nil, nil
	}
	f.Count(f.before, up.End)
	waited, verdict := f.Waits, f.Verdict()
	f.Waits = waited && verdict == task.StillWaits
	err = errors.Join(
		w.exec(`update dep set ended = ? where up = ? and down = ?`, int64(up.End), up.Task[:], f.Task[:]),
		w.exec(`update need set waits = ?, ok = ?, failed = ?, skipped = ? where task = ?`, f.Waits, f.OK, f.Failed, f.Skipped, f.Task[:]))
	if err != nil || !waited || f.Waits {
		return nil, err
	}
	row, err := w.row(f.Task)
	if err != nil {
		return nil, err
	}
	if verdict == task.MayRun {
		return nil, w.released(&row, k)
	}
	if err := w.exec(cancelTask, int64(verdict.Reason()), w.now, row.ID[:]); err != nil {
		return nil, err
	}
	if row.Flags&store.FlagDeps != 0 {
		ended = &store.Todo{Kind: store.Release, Task: row.ID, Token: int64(row.Run), End: task.EndOf(task.Canceled, verdict.Reason())}
	}
	return ended, errors.Join(
		w.leave(store.CallbackOf(row.ID, row.Run, row.Flags, task.EndOf(task.Canceled, verdict.Reason()), w.now)),
		w.endedAlone(&row, task.Canceled, verdict.Reason(), "", nil, k))
}

// released has a task go on that waited for others.
func (w *writer) released(row *store.Row, k *woken) error {
	e := row.Released(w.now)
	if e.State == task.Ready {
		return w.makeReady(row.ID, row.Entrant(), e.Reason, w.position(), k)
	}
	return errors.Join(
		w.exec(`update task set state = ?, reason = ? where id = ?`, int64(e.State), int64(e.Reason), row.ID[:]),
		w.pushTimer(row.At, row.ID, row.Lane, e.State))
}

// eraseDeps deletes what an erased task depended on.
func (w *writer) eraseDeps(row *store.Row) error {
	if row.Flags&store.FlagNeed == 0 {
		return nil
	}
	return errors.Join(
		w.exec(`delete from dep where down = ?`, row.ID[:]),
		w.exec(`delete from need where task = ?`, row.ID[:]))
}

// RetryFollowers implements store.Deps.
func (s *Store) RetryFollowers(ctx context.Context, id task.ID) ([]store.Woken, error) {
	return s.wake(ctx, id, func(w *writer, row *store.Row, k *woken) error {
		if err := row.CanRetry(); err != nil {
			return err
		}
		if err := w.retry(row, k); err != nil {
			return err
		}
		return w.leaveRevival(row)
	})
}

// leaveRevival leaves the followers of a task, as it was before it was retried, to be
// retried as well.
func (w *writer) leaveRevival(row *store.Row) error {
	if row.Flags&store.FlagDeps == 0 {
		return nil
	}
	return w.leave(&store.Todo{Kind: store.Revive, Task: row.ID, Token: int64(row.Run) + 1, At: w.now})
}

// Follow implements store.Deps.
func (s *Store) Follow(ctx context.Context, t store.Todo) (bool, []store.Woken, error) {
	more, k := false, woken{}
	err := s.do(ctx, rankOther, store.FollowPage, func(w *writer) (err error) {
		k = woken{}
		more, err = w.followTodo(&t, &k)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return more, k.list, nil
}

func (w *writer) followTodo(name *store.Todo, k *woken) (more bool, err error) {
	var t *store.Todo
	err = w.query(func(r *sql.Rows) error {
		found, err := scanTodo(r)
		t = &found
		return err
	}, selectTodo+`where task = ? and kind = ? and token = ?`, name.Task[:], int64(name.Kind), name.Token)
	if err != nil || t == nil {
		return false, err
	}
	row, err := w.row(t.Task)
	there := !errors.Is(err, store.ErrNotFound)
	if err != nil && there {
		return false, err
	}
	err = w.exec(`delete from todo where task = ? and kind = ? and token = ?`, t.Task[:], int64(t.Kind), t.Token)
	if err != nil {
		return false, err
	}
	end, tells := t.Ended(&row, there)
	if t.End = end; t.Kind == store.Revive {
		err = w.revivePage(t, tells, k)
	} else if tells {
		err = w.followAll(t, k)
	}
	if err != nil {
		return false, err
	}
	var n int
	err = w.one(`select count(*) from todo where task = ? and kind = ? and token = ?`, []any{t.Task[:], int64(t.Kind), t.Token}, &n)
	return n > 0, err
}

func (w *writer) revivePage(t *store.Todo, tells bool, k *woken) error {
	page, err := w.followers(t, store.FollowPage)
	if err != nil {
		return err
	}
	for i := range page {
		if err := w.revive(t, tells, &page[i], k); err != nil {
			return err
		}
	}
	if len(page) < store.FollowPage {
		return nil
	}
	return w.leave(&store.Todo{Kind: t.Kind, Task: t.Task, Token: t.Token, Cursor: page[len(page)-1].Task, At: w.now})
}

// revive has a follower of a task that runs again wait for it, if it tells how it stands,
// and begin anew when it was canceled because of it.
func (w *writer) revive(up *store.Todo, tells bool, f *follower, k *woken) error {
	row, err := w.row(f.Task)
	if err != nil {
		return err
	}
	if !row.Revives() {
		if !tells {
			return nil
		}
		ended, err := w.counted(up, f, k)
		if err == nil && ended != nil {
			ended.At = w.now
			err = w.leave(ended)
		}
		return err
	}
	switch err := w.retry(&row, k); {
	case errors.Is(err, store.ErrUnmet), errors.Is(err, store.ErrKeyHeld):
		return nil
	case err != nil:
		return err
	}
	return w.leaveRevival(&row)
}
