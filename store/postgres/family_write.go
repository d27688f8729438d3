package postgres

import (
	"bytes"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// statements write what was worked out.
func (f *family) statements() []*stmt { return statements(f.parts()) }

// parts write what was worked out, in order. The wait rows come first: one that a
// signal has made since the first round trip is not locked before.
func (f *family) parts() []part {
	slices.SortFunc(f.order, func(a, b *member) int { return bytes.Compare(a.id[:], b.id[:]) })
	return []part{
		{name: "wait rows", locks: rankWaits, stmts: f.waits(), free: "they are locked, or were made since"},
		{name: "messages", stmts: f.inboxes()},
		{name: "messages that are told anew", locks: rankWaits, stmts: f.anew(), free: "they are locked"},
		{name: "states and journals", stmts: f.states()},
		{name: "calls, and the next life", locks: rankTasks, stmts: f.lives(), free: "the task is locked by its end"},
		{name: "work lists", locks: rankTasks, stmts: f.lists(), free: "who has the timer of a parent needs its task next, which no turn has"},
		{name: "what is left to do", stmts: f.todos()},
	}
}

// each is a statement for the members that need it, with their ids first; nothing
// when none does.
func (f *family) each(sql string, needs func(*member) bool, bind func(*stmt, []*member)) []*stmt {
	var ms []*member
	for _, m := range f.order {
		if needs(m) {
			ms = append(ms, m)
		}
	}
	if len(ms) == 0 {
		return nil
	}
	q := query(sql).ids(len(ms), func(i int) task.ID { return ms[i].id })
	if bind != nil {
		bind(q, ms)
	}
	return []*stmt{q}
}

// number binds a number of each member.
func number(of func(*member) int64) func(*stmt, []*member) {
	return func(q *stmt, ms []*member) { q.i8s(len(ms), func(i int) int64 { return of(ms[i]) }) }
}

const dropMessagesSQL = `
delete from sendoff.inbox i using unnest($1, $2) as s(id, upto) where i.task = s.id and i.seq <= s.upto`

const addMessagesSQL = `
insert into sendoff.inbox (task, seq, correlation, kind, state, reason, "from", name, error, body)
select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

// inboxes drop messages that are used up and add those that came.
func (f *family) inboxes() []*stmt {
	stmts := f.each(dropMessagesSQL, func(m *member) bool { return m.drop > 0 && !m.anew }, number(func(m *member) int64 { return m.drop }))
	type letter struct {
		to task.ID
		store.Message
	}
	var letters []letter
	for _, m := range f.order {
		for _, msg := range m.news {
			letters = append(letters, letter{m.id, msg})
		}
	}
	n := len(letters)
	if n == 0 {
		return stmts
	}
	return append(stmts, query(addMessagesSQL).
		ids(n, func(i int) task.ID { return letters[i].to }).
		i8s(n, func(i int) int64 { return letters[i].Seq }).
		i8s(n, func(i int) int64 { return int64(letters[i].Correlation) }).
		i2s(n, func(i int) int16 { return int16(letters[i].Kind) }).
		i2s(n, func(i int) int16 { return int16(letters[i].State) }).
		i2s(n, func(i int) int16 { return int16(letters[i].Reason) }).
		ids(n, func(i int) task.ID { return letters[i].From }).
		blobs(n, func(i int) []byte { return notEmpty([]byte(letters[i].Name)) }).
		blobs(n, func(i int) []byte { return notEmpty([]byte(letters[i].Error)) }).
		blobs(n, func(i int) []byte { return notEmpty(letters[i].Body) }))
}

const writeWaitsSQL = `
update sendoff.wait w set epoch = s.epoch, total = s.total, seen = s.seen, open = s.open, need = s.need, writer = s.writer,
 alarm = s.alarm, prompt = s.prompt
from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as s(id, epoch, total, seen, open, need, writer, alarm, prompt) where w.task = s.id`

const beginAgainSQL = `
insert into sendoff.wait (task, epoch) select id, 1 from unnest($1) as s(id) on conflict (task) do update set epoch = wait.epoch + 1`

var dropAllButSignalsSQL = words.SQL(`
delete from sendoff.inbox i using unnest($1, $2) as s(id, upto) where i.task = s.id and (i.seq <= s.upto or i.kind <> :message_signal)`)

// What is left of what came before gets the numbers after all that were ever given.
const tellAnewSQL = `
with k as (
 update sendoff.inbox i set seq = s.total + (select count(*) from sendoff.inbox j where j.task = i.task and j.seq <= i.seq)
 from unnest($1, $2, $3) as s(id, upto, total) where i.task = s.id and i.seq <= s.upto returning i.task),
n as (select task, count(*) as n from k group by task)
update sendoff.wait w set total = w.total + n.n, alarm = w.total + n.n from n where w.task = n.task`

// waits write the wait rows. The message of a signal that came since the first round
// trip is to be seen by what follows.
func (f *family) waits() []*stmt {
	return slices.Concat(
		f.each(writeWaitsSQL, func(m *member) bool { return m.has }, bindWaits),
		f.each(beginAgainSQL, func(m *member) bool { return m.first }, nil))
}

// anew numbers anew what a next life is told.
func (f *family) anew() []*stmt {
	anew := func(m *member) bool { return m.anew }
	stmts := slices.Concat(
		f.each(dropAllButSignalsSQL, anew, number(func(m *member) int64 { return m.drop })),
		f.each(tellAnewSQL, anew, func(q *stmt, ms []*member) {
			number(func(m *member) int64 { return m.wait.Seen })(q, ms)
			number(func(m *member) int64 { return m.wait.Total })(q, ms)
		}))
	if idle := f.idle(); len(idle) > 0 {
		stmts = append(stmts, query(`delete from sendoff.wait where task = any($1)`).idList(idle))
	}
	return stmts
}

func bindWaits(q *stmt, ms []*member) {
	n, w := len(ms), func(i int) *store.Wait { return &ms[i].wait }
	q.i4s(n, func(i int) int32 { return w(i).Epoch }).i8s(n, func(i int) int64 { return w(i).Total }).
		i8s(n, func(i int) int64 { return w(i).Seen }).i8s(n, func(i int) int64 { return w(i).Open }).
		i4s(n, func(i int) int32 { return w(i).Need }).i8s(n, func(i int) int64 { return w(i).Writer }).
		i8s(n, func(i int) int64 { return w(i).Alarm }).bools(n, func(i int) bool { return w(i).Prompt })
}

// idle returns the wait rows that were made for nothing.
func (f *family) idle() []task.ID {
	var idle []task.ID
	for id := range f.made {
		if m := f.members[id]; m == nil || !m.touched {
			idle = append(idle, id)
		}
	}
	return idle
}

var keepStatesSQL = words.SQL(`
insert into sendoff.body (task, part, bytes) select id, :part_state, bytes from unnest($1, $2) as s(id, bytes)
on conflict (task, part) do update set bytes = excluded.bytes`)

var forgetStatesSQL = words.SQL(`delete from sendoff.body b using unnest($1) as s(id) where b.task = s.id and b.part = :part_state`)

const addSegmentsSQL = `insert into sendoff.journal (task, "offset", token, bytes) select * from unnest($1, $2, $3, $4)`

// states write the states and journals that are kept of functions.
func (f *family) states() []*stmt {
	stmts := slices.Concat(
		f.each(keepStatesSQL, func(m *member) bool { return m.keeps && m.state != nil },
			func(q *stmt, ms []*member) { q.blobs(len(ms), func(i int) []byte { return ms[i].state }) }),
		f.each(forgetStatesSQL, func(m *member) bool { return m.keeps && m.state == nil }, nil),
		f.each(`delete from sendoff.journal where task = any($1)`, func(m *member) bool { return m.journal }, nil))
	n := len(f.added)
	if n == 0 {
		return stmts
	}
	return append(stmts, query(addSegmentsSQL).
		ids(n, func(i int) task.ID { return f.added[i].ID }).
		i8s(n, func(i int) int64 { return f.added[i].Effects.Append.Offset }).
		i8s(n, func(i int) int64 { return f.added[i].Token }).
		blobs(n, func(i int) []byte { return present(f.added[i].Effects.Append.Bytes) }))
}

// lives make the calls, and the next life of functions that begin again.
func (f *family) lives() []*stmt {
	var stmts []*stmt
	if len(f.calls.rows) > 0 {
		stmts = f.calls.statements(false) // their ids are new, because the attempt ends here for the first time
	}
	if len(f.again) > 0 {
		stmts = append(stmts, query(`update sendoff.task set run = run + 1 where id = any($1)`).idList(sortedIDs(f.again)))
	}
	if len(f.nexts) > 0 {
		stmts = append(stmts, f.replace())
	}
	return stmts
}

var replaceSQL = words.SQL(`
with n as materialized (select * from unnest($1, $2, $3, $4) as n(id, spec, payload, body)),
u as (
 update sendoff.task t set spec = n.spec, payload = n.payload, flags = case when n.body is null then t.flags & ~:flag_body else t.flags | :flag_body end
 from n where t.id = any(array[n.id])),
d as (delete from sendoff.body b using n where b.task = n.id and b.part = :part_payload and n.body is null)
insert into sendoff.body (task, part, bytes) select id, :part_payload, body from n where body is not null
on conflict (task, part) do update set bytes = excluded.bytes`)

// replace gives functions another input.
func (f *family) replace() *stmt {
	n := len(f.nexts)
	payload := func(i int) []byte { return f.nexts[i].Effects.Next.Payload }
	return query(replaceSQL).ids(n, func(i int) task.ID { return f.nexts[i].ID }).
		blobs(n, func(i int) []byte { return present(f.nexts[i].Effects.Next.Spec) }).
		blobs(n, func(i int) []byte { return store.Inline(payload(i)) }).
		blobs(n, func(i int) []byte {
			if store.PayloadFlag(payload(i)) != 0 {
				return payload(i)
			}
			return nil
		})
}

var addTimersSQL = words.SQL(`insert into sendoff.timer (at, lane, kind, id) select at, lane, :suspended, id from unnest($1, $2, $3) as s(at, lane, id)`)

// movedSQL is for tasks that were ready for a moment, and canceled then.
const movedSQL = `update sendoff.task t set at = s.pos from unnest($1, $2) as s(id, pos) where t.id = any(array[s.id])`

// lists write the work lists.
func (f *family) lists() []*stmt {
	var stmts []*stmt
	if n := len(f.timers); n > 0 {
		stmts = append(stmts, query(addTimersSQL).
			i8s(n, func(i int) int64 { return f.timers[i].at }).
			i4s(n, func(i int) int32 { return f.timers[i].lane }).
			ids(n, func(i int) task.ID { return f.timers[i].id }))
	}
	if prompt, _ := f.entering(func(m *member) int64 { return m.promptly }); len(prompt) > 0 {
		stmts = append(stmts, enter(prompt, nil))
	}
	if woken, late := f.entering(func(m *member) int64 { return m.wake }); len(woken) > 0 {
		q := enterTimed(woken, nil)
		q.late = late
		stmts = append(stmts, q)
	}
	return append(stmts,
		f.each(movedSQL, func(m *member) bool { return m.wake != 0 && m.gone }, number(func(m *member) int64 { return m.wake }))...)
}

// entering are the suspended functions that are to be ready, at positions which are not 0,
// and those of them that come to their gates then.
func (f *family) entering(position func(*member) int64) (list []entering, late []lateComer) {
	for _, m := range f.order {
		pos := position(m)
		if pos == 0 || m.gone {
			continue
		}
		list = append(list, entering{id: m.id, was: task.Suspended, timer: m.at, pos: pos, Entry: store.Enter(m.entrant(), task.NoReason)})
		if m.told != nil {
			late = append(late, lateComer{id: m.id, pos: pos, state: task.Suspended, at: m.at, woken: m.told, now: f.now})
		}
	}
	return list, late
}
