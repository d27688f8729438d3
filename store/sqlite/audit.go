package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

const insertAudit = `insert into audit (ns, at, key_id, name, address, action, target, count, result, reason, was, became) values (?,?,?,?,?,?,?,?,?,?,?,?)`

func (w *writer) audit(r *store.AuditRow) error {
	return w.exec(insertAudit, max(r.Namespace, store.DefaultNamespace), w.now, r.KeyID, r.Name, r.Address, r.Action, r.Target, r.Count, r.Result, r.Reason, r.Was, r.Became)
}

// audited adds the row of the action that a step is, to the same transaction.
func audited(a *store.Audit, run func(*writer) error) func(*writer) error {
	if _, due := a.Due(); !due {
		return run
	}
	return func(w *writer) error {
		if err := run(w); err != nil {
			return err
		}
		row, _ := a.Due()
		return w.audit(&row)
	}
}

// PutAudit implements store.Audits.
func (s *Store) PutAudit(ctx context.Context, rows []store.AuditRow) error {
	return s.do(store.WithoutAudit(ctx), rankOther, len(rows), func(w *writer) error {
		for i := range rows {
			if err := w.audit(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

const auditColumns = `seq, ns, at, key_id, name, address, action, target, count, result, reason, was, became, seal`

func scanAudit(rows *sql.Rows) (r store.AuditRow, err error) {
	return r, rows.Scan(&r.Seq, &r.Namespace, &r.At, &r.KeyID, &r.Name, &r.Address, &r.Action, &r.Target, &r.Count, &r.Result, &r.Reason, &r.Was, &r.Became, &r.Seal)
}

// ListAudit implements store.Audits.
func (s *Store) ListAudit(ctx context.Context, q store.AuditQuery) ([]store.AuditRow, error) {
	return readAll(ctx, s, scanAudit, `select `+auditColumns+` from audit where ns = ?1 and (?2 = 0 or seq < ?2)
		and (?3 = '' or key_id = ?3 or name = ?3) and (?4 = '' or action = ?4) and (?5 = '' or target = ?5) and at >= ?6 and (?7 = 0 or at < ?7)
		order by seq desc limit ?8`, max(q.Namespace, store.DefaultNamespace), q.Before, q.Actor, q.Action, q.Target, q.After, q.Till, q.Limit)
}

// AuditAfter implements store.Audits.
func (s *Store) AuditAfter(ctx context.Context, seq int64, limit int) ([]store.AuditRow, error) {
	return readAll(ctx, s, scanAudit, `select `+auditColumns+` from audit where seq > ? order by seq limit ?`, seq, limit)
}

// SealAudit implements store.Audits. It writes nothing when there is nothing to seal.
func (s *Store) SealAudit(ctx context.Context, limit int) (int, error) {
	var open bool
	err := s.read.QueryRowContext(ctx, `select seal is null from audit order by seq desc limit 1`).Scan(&open)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !open {
		return 0, nil
	} else if err != nil {
		return 0, s.translate(err)
	}
	sealed := 0
	err = s.do(ctx, rankOther, limit, func(w *writer) error {
		var last store.AuditRow
		err := w.one(`select seq, seal from audit where seal is not null order by seq desc limit 1`, nil, &last.Seq, &last.Seal)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var rows []store.AuditRow
		err = w.query(func(r *sql.Rows) error {
			row, err := scanAudit(r)
			rows = append(rows, row)
			return err
		}, `select `+auditColumns+` from audit where seq > ? order by seq limit ?`, last.Seq, limit)
		if err != nil {
			return err
		}
		for i := range rows {
			last.Seal = rows[i].SealAfter(last.Seal)
			if err := w.exec(`update audit set seal = ? where seq = ?`, last.Seal, rows[i].Seq); err != nil {
				return err
			}
		}
		sealed = len(rows)
		return nil
	})
	return sealed, err
}

// DropAudit implements store.Audits.
func (s *Store) DropAudit(ctx context.Context, before int64, limit int) (int, error) {
	oldest, err := s.AuditAfter(ctx, 0, limit+1)
	if err != nil {
		return 0, err
	}
	last := store.AuditOver(oldest, before)
	if last == 0 {
		return 0, nil
	}
	dropped := 0
	err = s.do(ctx, rankOther, limit, func(w *writer) error {
		n, err := w.changed(`delete from audit where seq < ?`, last)
		dropped = int(n)
		return err
	})
	if err != nil {
		return 0, err // the writer may be at it still, when ctx ended
	}
	return dropped, nil
}
