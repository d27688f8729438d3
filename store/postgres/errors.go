package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/sendoff-dev/sendoff/store"
)

// errUnknown says that a transaction may or may not have been committed.
var errUnknown = errors.New("the outcome of the transaction is not known")

// errUnsent says that nothing was done: the database was not reached, or what
// was reached takes no writes.
var errUnsent = errors.New("the database did not take it")

// errRace says that a task changed between looking at it and changing it.
var errRace = errors.New("the task changes all the time")

// judge tells errors after which nothing was committed from those after which
// nobody knows, and notes what the connection is still good for. The driver's
// SafeToRetry is of no use here: when a connection dies under a batch it reports
// "conn closed", as if nothing had been sent.
func (c *session) judge(err error) error {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if ok && isStale(pgErr) {
		c.stale = true
	}
	switch {
	case ok && isMisnamed(pgErr):
		c.misnamed(pgErr)
		return fmt.Errorf("%w: %w", errUnsent, err)
	case ok && slices.Contains([]string{readOnly, idleSession, idleTransaction}, pgErr.Code):
		c.moved = pgErr.Code == readOnly
		return fmt.Errorf("%w: %w", errUnsent, err)
	case ok && rolledBack(pgErr) && pgErr.Code == "53100":
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case ok && rolledBack(pgErr):
		return err
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

// rolledBack tells whether an error of the server ended the transaction only,
// not the connection or what is behind it.
func rolledBack(err *pgconn.PgError) bool {
	return err.SeverityUnlocalized == "ERROR" && class(err) != "08" && class(err) != "58"
}

// readOnly is what a standby answers, and a database that was told to take no
// writes. The connection keeps answering so when others would not: after a
// failover behind one address, or when only its session was told so.
const readOnly = "25006"

// What a role's timeouts end, in the time when nothing was asked for.
const (
	idleSession     = "57P05"
	idleTransaction = "25P03"
)

// isStale tells whether a connection that answered so must not be used again.
func isStale(err *pgconn.PgError) bool {
	return err.Code == readOnly || class(err) == "08" || len(err.Code) == 5 && err.Code[:4] == "57P0" || err.SeverityUnlocalized != "ERROR"
}

func class(err *pgconn.PgError) string {
	if len(err.Code) < 2 {
		return ""
	}
	return err.Code[:2]
}

// isConflict tells whether a transaction lost against another, or was told to
// stop, and can simply be repeated. XX000 is the server's answer when a statement that
// takes an entry and then its task has waited for somebody who only marked the task: it
// would have to look again, and has taken the entry already.
func isConflict(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (slices.Contains([]string{"40001", "40P01", "55P03", "57014"}, pgErr.Code) ||
		pgErr.Code == "XX000" && strings.Contains(pgErr.Message, "EvalPlanQual"))
}

// isDataError tells whether a value is to blame.
func isDataError(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (class(pgErr) == "22" || class(pgErr) == "23")
}

// isTaken tells whether a task with one of the ids is there already.
func isTaken(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23505" && pgErr.ConstraintName == "task_pkey"
}

// translate names the errors of the database that callers can tell apart.
func translate(err error) error {
	if isDataError(err) {
		return fmt.Errorf("%w: %w", store.ErrBadValue, err)
	}
	return err
}
