package sqlite

import (
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// wait reads what is known of the messages to a function; nil when it never
// waited.
func (w *writer) wait(id task.ID) (*store.Wait, error) {
	var v *store.Wait
	err := w.query(func(r *sql.Rows) error {
		found, err := scanWait(r)
		v = &found
		return err
	}, selectWait+`where task = ?`, id[:])
	return v, err
}

const selectWait = `select task, epoch, total, seen, open, need, writer, alarm, prompt from wait `

func scanWait(r *sql.Rows) (v store.Wait, err error) {
	var id sql.RawBytes
	err = r.Scan(&id, &v.Epoch, &v.Total, &v.Seen, &v.Open, &v.Need, &v.Writer, &v.Alarm, &v.Prompt)
	copy(v.Task[:], id)
	return v, err
}

func (w *writer) putWait(v *store.Wait) error {
	return w.exec(`insert into wait (task, epoch, total, seen, open, need, writer, alarm, prompt) values (?,?,?,?,?,?,?,?,?)
		on conflict (task) do update set epoch = excluded.epoch, total = excluded.total, seen = excluded.seen,
		open = excluded.open, need = excluded.need, writer = excluded.writer, alarm = excluded.alarm, prompt = excluded.prompt`,
		v.Task[:], v.Epoch, v.Total, v.Seen, v.Open, v.Need, v.Writer, v.Alarm, v.Prompt)
}

// suspend has a function wait, or go on at once when enough has come already.
// Its calls are made first.
func (w *writer) suspend(t *store.Transition, row *store.Row, k *woken) error {
	e := t.Effects
	if e == nil {
		e = &store.Effects{}
	}
	v, err := w.wait(t.ID)
	if err != nil {
		return err
	}
	fresh := v == nil
	if fresh {
		v = &store.Wait{Task: t.ID}
	}
	if err := w.putState(t.ID, e.State, fresh); err != nil {
		return err
	}
	before := v.Seen
	if usedUp := v.Suspend(t.Token, e.Seen, e.Open, e.Need, e.Prompt); usedUp > before {
		if err := w.exec(`delete from inbox where task = ? and seq <= ?`, t.ID[:], usedUp); err != nil {
			return err
		}
	}
	if err := w.putMessages(v, e.Tell); err != nil {
		return err
	}
	if err := w.putWait(v); err != nil {
		return err
	}
	for i := range e.Calls {
		if err := w.makeCall(&e.Calls[i], v.Epoch, k); err != nil {
			return err
		}
	}
	if !v.Met() && !e.Hurries(row.Flags) {
		return errors.Join(w.pushTimer(row.At, t.ID, row.Lane, task.Suspended), w.leaveGates(row, false, k))
	}
	return w.stand(row, store.Placement{Entry: store.Enter(row.Entrant(), task.NoReason), Flags: row.Flags}, w.position(), k)
}

func (w *writer) makeCall(call *store.NewTask, epoch int32, k *woken) error {
	c := store.Called(call, epoch, w.now)
	verdict := store.Verdict{Inserted: store.Inserted{Status: store.Created, ID: c.ID, CreatedAt: w.now}}
	return w.insertOne(&c, &verdict, &store.Inserted{}, k)
}

var (
	deleteState = words.SQL(`delete from body where task = ? and part = :part_state`)
	upsertState = words.SQL(`insert into body (task, part, bytes) values (?, :part_state, ?)
		on conflict (task, part) do update set bytes = excluded.bytes`)
)

func (w *writer) putState(id task.ID, state []byte, fresh bool) error {
	if state == nil {
		if fresh {
			return nil
		}
		return w.exec(deleteState, id[:])
	}
	return w.exec(upsertState, id[:], notNull(state))
}

// notNull keeps an empty value from being stored as null.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// putMessages gives messages to a function whose wait is written later.
func (w *writer) putMessages(v *store.Wait, list []store.Message) error {
	for _, m := range list {
		m.Seq = v.Put(m.Urgent())
		if err := w.putMessage(v.Task, &m); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) putMessage(to task.ID, m *store.Message) error {
	return w.exec(`insert into inbox (task, seq, kind, sender, correlation, state, reason, name, error, body) values (?,?,?,?,?,?,?,?,?,?)`,
		to[:], m.Seq, int64(m.Kind), idOrNull(m.From), int64(m.Correlation), int64(m.State), int64(m.Reason), m.Name, m.Error, bytesOrNull(m.Body))
}

var endWait = words.SQL(`update wait set need = :wait_over where task = ?`)

// ended tells all who wait for the end of a task.
func (w *writer) ended(row *store.Row, state task.State, why task.Reason, text string, body []byte, k *woken) error {
	return errors.Join(w.endedAlone(row, state, why, text, body, k), w.follow(row, task.EndOf(state, why), k))
}

// endedAlone tells the parent, and lets go of what only a living function needs.
func (w *writer) endedAlone(row *store.Row, state task.State, why task.Reason, text string, body []byte, k *woken) error {
	if row.Flags&store.FlagWaits != 0 {
		n, err := w.changed(endWait, row.ID[:])
		if err == nil && n > 0 {
			err = errors.Join(w.exec(`delete from inbox where task = ?`, row.ID[:]), w.exec(deleteState, row.ID[:]))
		}
		if err != nil {
			return err
		}
	}
	if row.Flags&store.FlagParent == 0 {
		return nil
	}
	return w.tell(row, state, why, text, body, k)
}

// tell gives the end of a call to its parent.
func (w *writer) tell(row *store.Row, state task.State, why task.Reason, text string, body []byte, k *woken) error {
	v, err := w.wait(row.Parent)
	if err != nil || v == nil || !v.Takes(row.Epoch) {
		return err
	}
	return w.deliver(v, &store.Message{
		Kind: store.Result, From: row.ID, Correlation: row.Correlation, State: state, Reason: why, Error: text, Body: body,
	}, k)
}

var selectSuspended = words.SQL(`select at, lane, kind, prio, crashes, flags from task where id = ? and state = :suspended`)

// deliver puts a message into the inbox of a function and resumes it when that
// is what it has been waiting for.
func (w *writer) deliver(v *store.Wait, m *store.Message, k *woken) error {
	m.Seq = v.Put(m.Urgent())
	if err := w.putMessage(v.Task, m); err != nil {
		return err
	}
	if err := w.exec(`update wait set total = ?, alarm = ? where task = ?`, v.Total, v.Alarm, v.Task[:]); err != nil {
		return err
	}
	if !v.Met() {
		return nil
	}
	d := dueTimer{id: v.Task}
	err := w.one(selectSuspended, []any{v.Task[:]}, &d.at, &d.who.Lane, &d.who.Kind, &d.who.Priority, &d.who.Crashes, &d.who.Flags)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it is not waiting: it finds the message when it polls again
	}
	if err != nil {
		return err
	}
	return w.promote(&d, k)
}

var deleteAllButSignals = words.SQL(`delete from inbox where task = ? and (kind <> :message_signal or seq <= ?)`)

// reset forgets everything but the input of a function and signals: those of tell,
// and those after seen. They are told anew; what its earlier calls bring is dropped
// from now on.
func (w *writer) reset(id task.ID, seen int64, tell []store.Message) error {
	v, err := w.wait(id)
	if err != nil {
		return err
	}
	if v == nil {
		v = &store.Wait{Task: id}
	}
	usedUp := v.Reset(seen)
	return errors.Join(
		w.exec(deleteState, id[:]),
		w.exec(`delete from journal where task = ?`, id[:]),
		w.exec(deleteAllButSignals, id[:], usedUp),
		w.tellAnew(v, tell),
		w.putWait(v),
	)
}

// tellAnew gives the next numbers to tell, and then to the signals that are left.
func (w *writer) tellAnew(v *store.Wait, tell []store.Message) error {
	var left []int64
	err := w.query(func(r *sql.Rows) error {
		var seq int64
		err := r.Scan(&seq)
		left = append(left, seq)
		return err
	}, `select seq from inbox where task = ? order by seq`, v.Task[:])
	err = errors.Join(err, w.putMessages(v, tell))
	for _, seq := range left {
		signal := store.Message{Kind: store.Signal}
		err = errors.Join(err, w.exec(`update inbox set seq = ? where task = ? and seq = ?`, v.Put(signal.Urgent()), v.Task[:], seq))
	}
	return err
}

var (
	deletePayload = words.SQL(`delete from body where task = ? and part = :part_payload`)
	replaceInput  = words.SQL(`update task set spec = ?, payload = ?, flags = flags & ~:flag_body | ? where id = ?`)
)

// replace gives a function something else to do.
func (w *writer) replace(id task.ID, n *store.Next) error {
	flag := store.PayloadFlag(n.Payload)
	if err := w.exec(deletePayload, id[:]); err != nil {
		return err
	}
	if flag != 0 {
		if err := w.exec(insertPayload, id[:], n.Payload); err != nil {
			return err
		}
	}
	return w.exec(replaceInput, n.Spec, bytesOrNull(store.Inline(n.Payload)), flag, id[:])
}
