package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

const messageColumns = ` seq, kind, "from", correlation, state, reason, name, error, body `

func readMessage(r *wireRow) store.Message {
	return store.Message{
		Seq: r.i8(), Kind: store.MessageKind(r.i2()), From: r.id(), Correlation: uint64(r.i8()), State: task.State(r.i2()),
		Reason: task.Reason(r.i2()), Name: r.text(), Error: r.text(), Body: r.bytes(),
	}
}

// resumeCall is a call of Resume that waits for the pipeline.
type resumeCall struct {
	id              task.ID
	after           int64
	limit, maxBytes int
	out             store.Resumption
	total           int64 // messages that ever came
	err             error
}

// Resume returns what a function needs to go on; see store.Functions.
func (s *Store) Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error) {
	if err := s.enter(); err != nil {
		return store.Resumption{}, err
	}
	defer s.calls.Done()
	call := &resumeCall{id: id, after: after, limit: limit, maxBytes: maxBytes}
	if err := s.resumes.Do(ctx, call); err != nil {
		return store.Resumption{}, closedError(err)
	}
	if call.err != nil {
		return store.Resumption{}, fmt.Errorf("resume a function: %w", call.err)
	}
	return call.out, nil
}

// handleResumes is the pipeline's handler.
func (s *Store) handleResumes(ctx context.Context, calls []*resumeCall) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Deadline)
	defer cancel()
	err := s.fetch(ctx, query(pins), messagesStmt(calls), statesStmt(calls))
	for _, c := range calls {
		c.err = err
		if n := len(c.out.Messages); n > 0 {
			c.out.More = c.out.Messages[n-1].Seq < c.total
		}
	}
}

// messagesStmt reads the first messages of functions, up to their bounds.
func messagesStmt(calls []*resumeCall) *stmt {
	n := len(calls)
	return query(`
select s.n, m.seq, m.kind, m."from", m.correlation, m.state, m.reason, m.name, m.error, m.body
from unnest($1, $2, $3, $4) with ordinality as s(id, after, lim, bytes, n)
cross join lateral (
 select i.*, row_number() over w as place, sum(coalesce(octet_length(i.body), 0)) over w as size
 from (select * from sendoff.inbox where task = s.id and seq > s.after order by seq limit s.lim) i
 window w as (order by i.seq rows unbounded preceding)) m
where m.place = 1 or m.size <= s.bytes`).
		ids(n, func(i int) task.ID { return calls[i].id }).
		i8s(n, func(i int) int64 { return calls[i].after }).
		i8s(n, func(i int) int64 { return int64(max(calls[i].limit, 1)) }).
		i8s(n, func(i int) int64 { return int64(calls[i].maxBytes) }).
		rows(func(r *wireRow) {
			c := calls[r.i8()-1]
			c.out.Messages = append(c.out.Messages, readMessage(r))
		})
}

var statesSQL = words.SQL(`
select s.n, w.epoch, w.open, w.writer, w.total, b.bytes,
 (select coalesce(sum(octet_length(j.bytes)), 0) from sendoff.journal j where j.task = s.id)
from unnest($1) with ordinality as s(id, n)
left join sendoff.wait w on w.task = s.id left join sendoff.body b on b.task = s.id and b.part = :part_state`)

// statesStmt reads what else functions need. It comes after the messages, so
// that one which arrives in between is seen as one that was left out.
func statesStmt(calls []*resumeCall) *stmt {
	n := len(calls)
	return query(statesSQL).
		ids(n, func(i int) task.ID { return calls[i].id }).
		rows(func(r *wireRow) {
			c := calls[r.i8()-1]
			c.out.Epoch, c.out.Open, c.out.Writer, c.total = r.i4(), r.i8(), r.i8(), r.i8()
			c.out.State, c.out.Journal = r.bytes(), r.i8()
		})
}
