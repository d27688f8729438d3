package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// exec runs statements on a connection of its own. One that the database closed before
// they were sent, since it was idle for a moment, is made anew.
func exec(t testing.TB, dsn, sql string) {
	t.Helper()
	for {
		err := try(t, dsn, sql)
		if idle, ok := errors.AsType[*pgconn.PgError](err); ok && idle.Code == "57P05" {
			continue
		}
		require.NoError(t, err)
		return
	}
}

func try(t testing.TB, dsn, sql string) error {
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}
