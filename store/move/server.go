package move

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// server is a PostgreSQL database.
type server struct{ tx pgx.Tx }

// withServer holds a database in one transaction, in which nobody else changes anything.
func withServer(ctx context.Context, dsn string, writes bool, do func(end) error) error {
	plan, err := postgres.Plan(ctx, dsn)
	if err != nil {
		return err
	}
	if plan.Have != plan.Want {
		return fmt.Errorf("%w: they are at %d, it needs %d; run `sendoff migrate` first", postgres.ErrSchema, plan.Have, plan.Want)
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	s := &server{tx}
	if err := s.hold(ctx, writes); err != nil {
		return err
	}
	if err := do(s); err != nil || !writes {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	_, err = conn.Exec(ctx, `analyze`) // as servers would, when they get round to it
	return err
}

// hold waits for who writes, and keeps others from it. A server that is there would go on with what it knows.
func (s *server) hold(ctx context.Context, writes bool) error {
	for _, stmt := range []string{
		`set local statement_timeout = 0`, `set local idle_in_transaction_session_timeout = 0`, `set local lock_timeout = '10s'`, `set local search_path = sendoff, pg_catalog`,
	} {
		if _, err := s.tx.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	found, err := s.tx.Query(ctx, `select format('lock table %I.%I in exclusive mode', n.nspname, c.relname)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'sendoff' and c.relkind = 'r' order by c.relname`)
	if err != nil {
		return err
	}
	locks, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return err
	}
	alive := `select name from node where lease_until > extract(epoch from clock_timestamp()) * 1000000 limit 1`
	var name string
	if err := s.tx.QueryRow(ctx, alive).Scan(&name); !errors.Is(err, pgx.ErrNoRows) {
		return errors.Join(fmt.Errorf("%w: node %s works on it", store.ErrInUse, name), err)
	}
	for _, lock := range locks {
		if _, err := s.tx.Exec(ctx, lock); err != nil {
			return fmt.Errorf("keep others away: %w", err)
		}
	}
	if err := s.tx.QueryRow(ctx, alive).Scan(&name); !errors.Is(err, pgx.ErrNoRows) {
		return errors.Join(fmt.Errorf("%w: node %s works on it", store.ErrInUse, name), err)
	}
	var waits bool
	if err := s.tx.QueryRow(ctx, `select exists (select from submission)`).Scan(&waits); err != nil {
		return err
	}
	if waits {
		return fmt.Errorf("%w: let a server take them first", ErrWaits)
	}
	if writes {
		_, err = s.tx.Exec(ctx, `delete from node; delete from node_view`, pgx.QueryExecModeSimpleProtocol)
	}
	return err
}

func (s *server) shape(ctx context.Context) (map[string][]field, error) {
	found, err := s.tx.Query(ctx, `select c.relname, a.attname, format_type(a.atttypid, null), not a.attnotnull
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		where c.relnamespace = 'sendoff'::regnamespace and c.relkind = 'r' order by c.relname, a.attnum`)
	if err != nil {
		return nil, err
	}
	tables := map[string][]field{}
	var name string
	var c field
	_, err = pgx.ForEachRow(found, []any{&name, &c.name, &c.of, &c.null}, func() error {
		tables[name] = append(tables[name], c)
		return nil
	})
	return tables, err
}

func (s *server) empty(ctx context.Context, table string) (bool, error) {
	if clear := initial[table]; clear != "" {
		if _, err := s.tx.Exec(ctx, clear); err != nil {
			return false, err
		}
	}
	there := true
	err := s.tx.QueryRow(ctx, `select exists (select from `+quoted(table)+except(table)+`)`).Scan(&there)
	return !there, err
}

func quoted(table string) string { return pgx.Identifier{"sendoff", table}.Sanitize() }

func (s *server) read(ctx context.Context, table string, cs []column) (rows, error) {
	found, err := s.tx.Query(ctx, `select `+listed(cs, func(c *column) string { return c.heavy })+` from `+quoted(table)+except(table))
	if err != nil {
		return nil, err
	}
	return &serverRows{found, cs}, nil
}

type serverRows struct {
	found pgx.Rows
	cs    []column
}

func (r *serverRows) next() ([]any, bool, error) {
	if !r.found.Next() {
		return nil, false, r.found.Err()
	}
	row, err := r.found.Values()
	if err != nil {
		return nil, false, err
	}
	return row, true, allPlain(row, r.cs)
}

func (r *serverRows) close() error {
	r.found.Close()
	return r.found.Err()
}

func (s *server) write(ctx context.Context, table string, cs []column, from rows) error {
	names := make([]string, len(cs))
	for i := range cs {
		names[i] = cs[i].heavy
	}
	_, err := s.tx.CopyFrom(ctx, pgx.Identifier{"sendoff", table}, names, pgx.CopyFromFunc(func() ([]any, error) {
		row, more, err := from.next()
		if err != nil || !more {
			return nil, err
		}
		values := make([]any, len(row))
		for i := range row {
			if values[i], err = cs[i].typed(row[i]); err != nil {
				return nil, err
			}
		}
		return values, nil
	}))
	return err
}

func (s *server) running(ctx context.Context) (n int64, err error) {
	err = s.tx.QueryRow(ctx, words.SQL(countRunning)).Scan(&n)
	return n, err
}

func (s *server) fence(ctx context.Context) error {
	for _, stmt := range append(fences, `select setval(pg_get_serial_sequence('sendoff.audit', 'seq'), max(seq)) from audit having max(seq) > 0`) {
		if _, err := s.tx.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}
