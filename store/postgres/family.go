package postgres

import (
	"bytes"
	"context"
	"math"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// family works out what the steps of functions mean for themselves, for their
// parents and for their calls. A transaction that needs it goes in two round
// trips: the first locks wait rows (lock), changes tasks, and reads what is
// there (look); then the methods that follow the words of the contract are
// called in the order of the steps; the second round trip is statements.
//
// Nobody becomes suspended, is told something, or ends as a function without
// holding the wait row, so that what look read stays true; a suspended function
// may still be made ready by others, who then took its timer.
type family struct {
	clock   *clock
	now     int64
	members map[task.ID]*member
	order   []*member        // of members, by first use
	made    map[task.ID]bool // wait rows that lock made

	calls  plan // children to be stored
	nexts  []*ending
	again  []task.ID // that begin again from their input: each is a new run
	added  []*ending // with a segment for the journal
	timers []*member // suspended from now on
	left   []*store.Todo
	roots  []root // ended tasks that others depend on
}

// member is a task of a family as it is found, and what is to be written.
type member struct {
	id    task.ID
	there bool
	standing
	correlation uint64
	epoch       int32 // of the parent

	has  bool // a wait row
	wait store.Wait

	touched  bool  // the wait row is to be written
	drop     int64 // messages up to this one are to be deleted
	anew     bool  // of the others only signals stay, and are told anew
	first    bool  // begins its second epoch without ever having had a wait row
	news     []store.Message
	keeps    bool // state is to be written, or deleted when it is nil
	state    []byte
	journal  bool           // to be deleted
	wake     int64          // position of a suspended one that is to be ready; 0 = none
	promptly int64          // position of one that ends its run suspended, but need not wait
	told     *[]store.Woken // with wake, of one that has gates: where what it wakes is noted
	gone     bool           // ended by this very transaction: it is not woken any more
}

func newFamily(c *clock, now int64) *family {
	return &family{clock: c, now: now, members: map[task.ID]*member{}, made: map[task.ID]bool{}, calls: plan{now: now}}
}

const lockWaitsSQL = `select from sendoff.wait where task = any($1) order by task for update`

// lock makes the wait rows that are missing among make, and locks them and
// those of others.
func (f *family) lock(make, others []task.ID) []*stmt {
	var stmts []*stmt
	if len(make) > 0 {
		make = sortedIDs(make)
		stmts = append(stmts, query(`
insert into sendoff.wait (task) select id from unnest($1) as s(id) on conflict do nothing returning task`).idList(make).
			rows(func(r *wireRow) { f.made[r.id()] = true }))
	}
	if all := sortedIDs(slices.Concat(make, others)); len(all) > 0 {
		stmts = append(stmts, query(lockWaitsSQL).idList(all))
	}
	return stmts
}

func sortedIDs(ids []task.ID) []task.ID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b task.ID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	if len(ids) > 0 && ids[0].IsZero() {
		ids = ids[1:]
	}
	return ids
}

const lookSQL = `
select s.id, t.id is not null, t.state, t.lane, t.prio, t.crashes, t.at, t.flags, t.kind, t.parent, t.correlation, t.epoch,
 w.task is not null,` + mailboxColumns + `
from unnest($1) as s(id) left join sendoff.task t on t.id = any(array[s.id]) left join sendoff.wait w on w.task = any(array[s.id])`

// look reads tasks and their wait rows.
func (f *family) look(ids []task.ID) *stmt {
	clear(f.members)
	return query(lookSQL).idList(sortedIDs(ids)).rows(func(r *wireRow) {
		m := &member{id: r.id(), there: r.bool()}
		m.standing.state = task.State(r.i2())
		m.lane, m.prio, m.crashes, m.at = r.i4(), r.i2(), r.i4(), r.i8()
		m.flags, m.kind, m.parent, m.correlation, m.epoch = r.i4(), task.Kind(r.i2()), r.id(), uint64(r.i8()), r.i4()
		m.has = r.bool()
		m.wait = store.Wait{Task: m.id, Mailbox: readMailbox(r)}
		f.members[m.id] = m
	})
}

const mailboxColumns = ` w.epoch, w.total, w.seen, w.open, w.need, w.writer, w.alarm, w.prompt `

func readMailbox(r *wireRow) task.Mailbox {
	return task.Mailbox{
		Epoch: r.i4(), Total: r.i8(), Seen: r.i8(), Open: r.i8(), Need: r.i4(), Writer: r.i8(), Alarm: r.i8(), Prompt: r.bool(),
	}
}

func (f *family) use(m *member) {
	if !m.touched {
		m.touched = true
		f.order = append(f.order, m)
	}
}

func (f *family) position() int64 { return f.clock.take(1).first }

// woken says that a task became ready.
func (m *member) woken(position int64) store.Woken {
	return store.Woken{Lane: m.lane, Priority: m.readyPriority(), Position: position}
}

// settled goes on with the end of an attempt after its task was changed.
func (f *family) settled(e *ending) {
	m, fx := f.members[e.ID], e.Effects
	f.leave(e.Todo(m.has && !f.made[m.id], m.wait.Epoch, f.now))
	if fx.Append != nil && !fx.Restart {
		f.added = append(f.added, e)
	}
	if fx.Restart {
		f.reset(m, fx.Seen, fx.Tell)
	}
	if e.BeginsAgain() {
		f.again = append(f.again, m.id)
	}
	if fx.Next != nil {
		f.nexts = append(f.nexts, e)
	}
	switch {
	case e.Decision.To == task.Suspended:
		f.suspended(m, e)
	case e.Decision.To.Final():
		f.ended(m, e.Decision.To, e.Decision.Reason, store.CleanText(e.Error, store.MaxError), e.Answer.Body, &e.call.woken)
	}
}

func (f *family) suspended(m *member, e *ending) {
	fx, w := e.Effects, &m.wait
	if fx.Seen > w.Seen && w.Total > w.Seen {
		m.drop = max(m.drop, fx.Seen)
	}
	w.Suspend(e.Token, fx.Seen, fx.Open, fx.Need, fx.Prompt)
	f.use(m)
	m.keeps, m.state = m.keeps || fx.State != nil || !f.made[m.id], fx.State
	for _, msg := range fx.Tell {
		m.add(msg)
	}
	for i := range fx.Calls {
		call := store.Called(&fx.Calls[i], w.Epoch, f.now)
		f.calls.add(nil, &call)
		if r := &f.calls.rows[len(f.calls.rows)-1]; r.state == task.Ready {
			r.at = f.position()
			e.call.woken = store.Collect(e.call.woken, store.Woken{Lane: r.Lane, Priority: r.Priority, Position: r.at})
		}
	}
	if w.Met() || fx.Hurries(m.flags) {
		m.promptly = f.position()
		e.call.woken = store.Collect(e.call.woken, m.woken(m.promptly))
		return
	}
	f.timers = append(f.timers, m)
}

// ended tells the parent, and lets go of what only a living function needs.
func (f *family) ended(m *member, to task.State, why task.Reason, errorText string, body []byte, woken *[]store.Woken) {
	m.gone = true
	if m.has {
		m.wait.End()
		m.forget()
		f.use(m)
	}
	if m.flags&store.FlagParent != 0 {
		f.tell(m, to, why, errorText, body, woken)
	}
}

// tell gives the end of a call to its parent.
func (f *family) tell(m *member, to task.State, why task.Reason, errorText string, body []byte, woken *[]store.Woken) {
	p := f.members[m.parent]
	if p == nil || !p.has || !p.wait.Takes(m.epoch) {
		return
	}
	f.deliver(p, store.Message{
		Kind: store.Result, From: m.id, Correlation: m.correlation, State: to, Reason: why, Error: errorText, Body: body,
	}, woken)
}

func (f *family) deliver(p *member, msg store.Message, woken *[]store.Woken) {
	p.add(msg)
	f.use(p)
	if p.standing.state != task.Suspended || p.wake != 0 || !p.wait.Met() {
		return
	}
	p.wake = f.position()
	if p.flags&store.FlagGate != 0 {
		p.told = woken
		return
	}
	*woken = store.Collect(*woken, p.woken(p.wake))
}

// reset forgets everything but the input and signals: those of tell, and those
// after seen, which are told anew.
func (f *family) reset(m *member, seen int64, tell []store.Message) {
	m.journal = true
	if m.has {
		usedUp := m.wait.Reset(seen)
		m.forget()
		m.drop, m.anew = usedUp, true
		for _, msg := range tell {
			m.add(msg)
		}
	}
	m.first = !m.has
	f.use(m)
}

// forget drops messages and state.
func (m *member) forget() {
	m.drop, m.anew, m.news, m.keeps, m.state = math.MaxInt64, false, nil, true, nil
}

func (m *member) add(msg store.Message) {
	msg.Seq = m.wait.Put(msg.Urgent())
	m.news = append(m.news, msg)
}

// alone changes one task, or a few, whose end concerns others: it locks the
// wait rows, sends what changes the tasks, calls work and writes what that
// worked out. A signal may have made a wait row since it was looked for: it is locked when
// the task is, for another signal would not see before the commit that the task has ended.
func (s *Store) alone(ctx context.Context, ids []task.ID, change func() []*stmt, work func(*family) error) error {
	return s.change(ctx, func(ctx context.Context, c *session) error {
		f := newFamily(s.clock, s.clock.now())
		stmts := slices.Concat([]*stmt{query(pins)}, f.lock(nil, ids), change(), f.lock(nil, ids), []*stmt{f.look(ids)})
		if err := c.begin(ctx, stmts...); err != nil {
			return err
		}
		if err := work(f); err != nil {
			return err
		}
		writes, err := s.rest(ctx, c, f)
		if err != nil {
			return err
		}
		return c.commit(ctx, writes...)
	})
}

// rest is what is left to be written of a family and of those that depend on it.
func (s *Store) rest(ctx context.Context, c *session, f *family) ([]*stmt, error) {
	if len(f.roots) == 0 {
		return f.statements(), nil
	}
	if err := c.do(ctx, f.statements()...); err != nil {
		return nil, err
	}
	return s.newFollowing(f.now).tell(ctx, c, f.roots)
}
