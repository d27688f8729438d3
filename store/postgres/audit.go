package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/sendoff-dev/sendoff/store"
)

const putAuditSQL = `
insert into sendoff.audit (ns, at, key_id, name, address, action, target, count, result, reason, was, became) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

func putAudit(r *store.AuditRow, now int64) *stmt {
	return query(putAuditSQL).i4(max(r.Namespace, store.DefaultNamespace)).i8(now).text(r.KeyID).text(r.Name).text(r.Address).
		text(r.Action).text(r.Target).i8(r.Count).text(r.Result).text(r.Reason).text(r.Was).text(r.Became)
}

// act is write for what an operator asks for, which the statements note in changed. errRace,
// and no row in the audit, when they have changed nothing.
func (s *Store) act(ctx context.Context, changed *bool, stmts ...*stmt) error {
	_, due := store.AuditOf(ctx).Due()
	return s.change(ctx, func(ctx context.Context, c *session) error {
		*changed = false
		if !due {
			return raced(c.do(ctx, stmts...), changed)
		}
		if err := raced(c.begin(ctx, stmts...), changed); err != nil {
			return err
		}
		return c.commit(ctx)
	})
}

// auditStmts add the row of the action that a transaction is, if it is one.
func (c *session) auditStmts() []*stmt {
	row, due := c.audit.Due()
	if !due || c.audited {
		return nil
	}
	c.audited = true
	return []*stmt{putAudit(&row, c.s.clock.now())}
}

// PutAudit adds rows; see store.Audits.
func (s *Store) PutAudit(ctx context.Context, rows []store.AuditRow) error {
	stmts := make([]*stmt, len(rows))
	for i := range rows {
		stmts[i] = putAudit(&rows[i], s.clock.now())
	}
	if err := s.write(store.WithoutAudit(ctx), stmts...); err != nil {
		return fmt.Errorf("add to the audit: %w", translate(err))
	}
	return nil
}

const auditColumns = ` seq, ns, at, key_id, name, address, action, target, count, result, reason, was, became, seal from sendoff.audit `

const (
	listAuditSQL = `select` + auditColumns + `where ns = $1 and seq < $2 and ($3 = '' or key_id = $3 or name = $3) and ($4 = '' or action = $4)
 and ($5 = '' or target = $5) and at >= $6 and at < $7 order by ns desc, seq desc limit $8`

	auditAfterSQL = `select` + auditColumns + `where seq > $1 order by seq limit $2`

	lastSealSQL = `select seq, seal from sendoff.audit where seal is not null order by seq desc limit 1`

	openAuditSQL = `select seal is null from sendoff.audit order by seq desc limit 1`

	sealAuditSQL = `update sendoff.audit a set seal = s.seal from unnest($1, $2) as s(seq, seal) where a.seq = any(array[s.seq])`

	dropAuditSQL = `
delete from sendoff.audit where seq in (select seq from sendoff.audit where seq < $1 order by seq limit $2) returning seq`
)

func readAudit(r *wireRow) store.AuditRow {
	return store.AuditRow{
		Seq: r.i8(), Namespace: r.i4(), At: r.i8(), KeyID: r.text(), Name: r.text(), Address: r.text(), Action: r.text(), Target: r.text(),
		Count: r.i8(), Result: r.text(), Reason: r.text(), Was: r.text(), Became: r.text(), Seal: r.bytes(),
	}
}

// ListAudit lists rows; see store.Audits.
func (s *Store) ListAudit(ctx context.Context, q store.AuditQuery) (rows []store.AuditRow, err error) {
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	till := q.Till
	if till == 0 {
		till = math.MaxInt64
	}
	err = s.read(ctx, query(pins), query(listAuditSQL).i4(max(q.Namespace, store.DefaultNamespace)).i8(before).text(q.Actor).text(q.Action).text(q.Target).
		i8(q.After).i8(till).i8(int64(q.Limit)).rows(func(r *wireRow) { rows = append(rows, readAudit(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", translate(err))
	}
	return rows, nil
}

// AuditAfter lists rows from the oldest on; see store.Audits.
func (s *Store) AuditAfter(ctx context.Context, seq int64, limit int) (rows []store.AuditRow, err error) {
	err = s.read(ctx, query(pins), auditAfter(seq, limit, &rows))
	if err != nil {
		return nil, fmt.Errorf("read the audit: %w", translate(err))
	}
	return rows, nil
}

func auditAfter(seq int64, limit int, rows *[]store.AuditRow) *stmt {
	return query(auditAfterSQL).i8(seq).i8(int64(limit)).rows(func(r *wireRow) { *rows = append(*rows, readAudit(r)) })
}

// SealAudit seals rows; see store.Audits. Its lock waits for all that are adding a row and
// lets nobody take a number while it looks: whatever is added later has a higher one.
func (s *Store) SealAudit(ctx context.Context, limit int) (sealed int, err error) {
	open := false
	if err := s.read(ctx, query(pins), query(openAuditSQL).rows(func(r *wireRow) { open = r.bool() })); err != nil || !open {
		return 0, translate(err)
	}
	err = s.change(store.WithoutAudit(ctx), func(ctx context.Context, c *session) error {
		var last store.AuditRow
		var rows []store.AuditRow
		err := c.begin(ctx, query(pins), query(`lock table sendoff.audit in share row exclusive mode`),
			query(lastSealSQL).rows(func(r *wireRow) { last.Seq, last.Seal = r.i8(), r.bytes() }))
		if err == nil {
			err = c.do(ctx, auditAfter(last.Seq, limit, &rows))
		}
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].Seal = rows[i].SealAfter(last.Seal)
			last = rows[i]
		}
		sealed = len(rows)
		return c.commit(ctx, query(sealAuditSQL).i8s(len(rows), func(i int) int64 { return rows[i].Seq }).blobs(len(rows), func(i int) []byte { return rows[i].Seal }))
	})
	if err != nil {
		return 0, fmt.Errorf("seal the audit: %w", translate(err))
	}
	return sealed, nil
}

// DropAudit deletes rows that are over; see store.Audits.
func (s *Store) DropAudit(ctx context.Context, before int64, limit int) (dropped int, err error) {
	oldest, err := s.AuditAfter(ctx, 0, limit+1)
	if err != nil {
		return 0, err
	}
	last := store.AuditOver(oldest, before)
	if last == 0 {
		return 0, nil
	}
	err = s.write(store.WithoutAudit(ctx), query(pins), query(dropAuditSQL).i8(last).i8(int64(limit)).rows(func(*wireRow) { dropped++ }))
	if err != nil {
		return 0, fmt.Errorf("drop of the audit: %w", translate(err))
	}
	return dropped, nil
}
