package postgres

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// prepared are the statements that a connection has by name (Parse and Bind of
// PostgreSQL's extended protocol), which the server parses, analyzes and plans once.
// For a transaction of a few rows that is most of its work.
//
// Only a connection to the server itself has them, see greet: behind a pooler, the
// next transaction may be on another one. And only statements that are sent while the
// pins hold: they leave one way to carry a statement out, so that a plan which knows no
// values is as good as one that does. The server makes it anew when a table was changed
// or analyzed.
type prepared struct {
	names map[string]string // by text; "" = sent once, and not named
	given int
	off   *atomic.Bool // the store's: names turned out not to work
}

// What a connection is marked with.
const (
	direct      = "direct"   // it leads to the server itself
	preparedKey = "prepared" // its prepared
)

// prepare gives a new connection its names, unless the URL says otherwise.
func (s *Store) prepare(_ context.Context, conn *pgx.Conn) error {
	data := conn.PgConn().CustomData()
	if data[direct] != nil && conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		data[preparedKey] = &prepared{names: map[string]string{}, off: &s.unnamed}
	}
	return nil
}

// preparedOf returns what a connection has by name; nil = it has no names.
func preparedOf(conn *pgconn.PgConn) *prepared {
	p, _ := conn.CustomData()[preparedKey].(*prepared)
	if p == nil || p.off.Load() {
		return nil
	}
	return p
}

// maxPrepared is how many texts a connection remembers. A plan takes 10 to 100 KB of
// the server.
const maxPrepared = 300

// pinsOfNamed are the pins where statements have names.
const pinsOfNamed = pins + `, set_config('plan_cache_mode', 'force_generic_plan', true)`

// name returns the name of a statement on this connection; "" = it has none. What is
// sent for the second time gets one, in a round trip of its own.
func (p *prepared) name(ctx context.Context, conn *pgconn.PgConn, sql string, oids []uint32) (string, error) {
	name, known := p.names[sql]
	switch {
	case name != "":
		return name, nil
	case !known:
		if len(p.names) < maxPrepared {
			p.names[sql] = ""
		}
		return "", nil
	}
	name = "sendoff_" + strconv.Itoa(p.given)
	if _, err := conn.Prepare(ctx, name, sql, oids); err != nil {
		return "", err
	}
	p.given++
	p.names[sql] = name
	return name, nil
}

// withPins puts the pins before statements that have one plan without them, and are
// cheaper by name.
func (c *session) withPins(stmts []*stmt) []*stmt {
	at := slices.IndexFunc(stmts, func(q *stmt) bool { return q.simple || q.sql == pins })
	if at < 0 || !stmts[at].simple || c.began && c.fixed || preparedOf(c.conn) == nil {
		return stmts
	}
	return slices.Insert(slices.Clone(stmts), at, query(pins))
}

// batch puts statements together, by their names where they have one. pinned says
// that the pins hold already.
func (c *session) batch(ctx context.Context, stmts []*stmt, pinned bool) (*pgconn.Batch, error) {
	batch := &pgconn.Batch{}
	p := preparedOf(c.conn)
	for _, q := range stmts {
		sql, name := q.sql, ""
		if p != nil && sql == pins {
			sql, pinned = pinsOfNamed, true
		}
		if p != nil && (pinned && len(q.values) > 0 || sql == pinsOfNamed || sql == c.terms) {
			var err error
			if name, err = p.name(ctx, c.conn, sql, q.oids); err != nil {
				return nil, err
			}
		}
		if name == "" {
			batch.ExecParams(sql, q.values, q.oids, formats(len(q.values)), binaryFormat)
		} else {
			batch.ExecPrepared(name, q.values, formats(len(q.values)), binaryFormat)
		}
	}
	return batch, nil
}

// misnamed notes an error of names: the connection must not be used again. Where they do
// not work at all, no other one has them from now on.
func (c *session) misnamed(err *pgconn.PgError) {
	if p := preparedOf(c.conn); p != nil && err.Code != changedType {
		p.off.Store(true)
	}
	c.stale = true
}

// changedType is what the server answers when the columns of what it has by name have other types than they had.
const changedType = "0A000"

// isMisnamed tells whether the server has another idea of what has a name than the
// connection: something between them is a pooler that does not look like one, or a
// column has another type than it had.
func isMisnamed(err *pgconn.PgError) bool {
	return slices.Contains([]string{"26000", "42P05"}, err.Code) || err.Code == changedType && err.Routine == "RevalidateCachedQuery"
}
