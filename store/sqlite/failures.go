package sqlite

import (
	"context"
	"database/sql"

	"github.com/sendoff-dev/sendoff/store"
)

const (
	failureColumns = ` ns, print, queue, target, code, text, first_at, last_at, count, sample, muted_until from failure_group `

	addFailureSQL = `insert into failure_group (ns, print, queue, target, code, text, first_at, last_at, count, sample, muted_until) values (?,?,?,?,?,?,?,?,?,?,0)
		on conflict (ns, print) do update set first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), count = count + excluded.count,
		sample = case when excluded.last_at >= last_at then excluded.sample else sample end`

	dropFailuresSQL = `delete from failure_group where (ns, print) in
		(select ns, print from failure_group order by last_at desc, print desc, ns desc limit -1 offset ?)`
)

func scanFailure(r *sql.Rows) (g store.FailureGroup, err error) {
	var print, sample []byte
	err = r.Scan(&g.Namespace, &print, &g.Queue, &g.Target, &g.Code, &g.Text, &g.FirstAt, &g.LastAt, &g.Count, &sample, &g.MutedUntil)
	copy(g.Print[:], print)
	copy(g.Sample[:], sample)
	return g, err
}

// AddFailures implements store.Failures.
func (s *Store) AddFailures(ctx context.Context, groups []store.FailureGroup, keep int) error {
	return s.do(store.WithoutAudit(ctx), rankOther, len(groups), func(w *writer) error {
		for i := range groups {
			g := &groups[i]
			err := w.exec(addFailureSQL, g.Namespace, g.Print[:], g.Queue, g.Target, g.Code, g.Text, g.FirstAt, g.LastAt, g.Count, g.Sample[:])
			if err != nil {
				return err
			}
		}
		return w.exec(dropFailuresSQL, keep)
	})
}

// ListFailures implements store.Failures.
func (s *Store) ListFailures(ctx context.Context, ns int32, after store.FailureMark, limit int) ([]store.FailureGroup, error) {
	return readAll(ctx, s, scanFailure, `select`+failureColumns+`where ns = ?1 and (?2 = 0 or (last_at, print) < (?2, ?3))
		order by last_at desc, print desc limit ?4`, ns, after.At, after.Print[:], limit)
}

// FindFailure implements store.Failures.
func (s *Store) FindFailure(ctx context.Context, ns int32, print store.Hash) (store.FailureGroup, error) {
	found, err := readAll(ctx, s, scanFailure, `select`+failureColumns+`where ns = ? and print = ?`, ns, print[:])
	if err := orNotFound(err, int64(len(found))); err != nil {
		return store.FailureGroup{}, err
	}
	return found[0], nil
}

// MuteFailure implements store.Failures.
func (s *Store) MuteFailure(ctx context.Context, ns int32, print store.Hash, until int64) (store.FailureGroup, error) {
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`update failure_group set muted_until = ? where ns = ? and print = ?`, until, ns, print[:])
		return orNotFound(err, n)
	})
	if err != nil {
		return store.FailureGroup{}, err
	}
	return s.FindFailure(ctx, ns, print)
}
