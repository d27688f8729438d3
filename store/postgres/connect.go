package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Connections of a Store: one pool to write, one to read, and one for the lease,
// which is renewed whatever the others wait for.
const (
	leaseConns     = 4 // a renewal that hangs holds up none of the next
	leaseTry       = 3 * time.Second
	connectTimeout = 5 * time.Second // unless the URL says otherwise
	driversTimeout = 2 * time.Minute // which the driver has when the URL says nothing
)

func (s *Store) openPools(ctx context.Context) (err error) {
	hot := max(s.options.MaxConns/2, min(4, s.options.MaxConns-1))
	if s.hot, err = s.newPool(ctx, s.dsn, hot, writes); err != nil {
		return err
	}
	if s.reads, err = s.newPool(ctx, s.dsn, s.options.MaxConns-hot, func(*pgxpool.Config) {}); err != nil {
		return err
	}
	for _, dsn := range []string{s.options.ListenDSN, s.dsn} {
		if dsn == "" {
			continue
		}
		pool, err := s.newPool(ctx, dsn, leaseConns, lasting)
		if err != nil {
			return err
		}
		s.lease = append(s.lease, pool)
	}
	return nil
}

// writes is for connections that write.
func writes(config *pgxpool.Config) {
	config.ConnConfig.AfterNetConnect = quiet
	config.ConnConfig.ValidateConnect = writable
}

// lasting is for connections that are not given up while they work: the database
// may have no room for another.
func lasting(config *pgxpool.Config) {
	writes(config)
	config.MaxConnLifetime = 0
}

// pools lists what is open.
func (s *Store) pools() []*pgxpool.Pool {
	return slices.DeleteFunc(append([]*pgxpool.Pool{s.hot, s.reads}, s.lease...), func(p *pgxpool.Pool) bool { return p == nil })
}

func (s *Store) closePools() {
	for _, pool := range s.pools() {
		pool.Close()
	}
}

func (s *Store) newPool(ctx context.Context, dsn string, size int, more func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = int32(size)
	config.PingTimeout = leaseTry
	config.AfterConnect = s.prepare
	configure(config.ConnConfig)
	more(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return pool, nil
}

// configure sets what all connections have in common. The parameters are those
// that a pooler keeps apart for each of its clients.
func configure(config *pgx.ConnConfig) {
	config.OnNotice = noticed
	config.ValidateConnect = current
	if config.ConnectTimeout == driversTimeout {
		config.ConnectTimeout = connectTimeout
	}
	params := config.RuntimeParams
	params["application_name"] = cmp.Or(params["application_name"], "sendoff")
	params["client_encoding"], params["standard_conforming_strings"] = "UTF8", "on"
}

// greeting asks a new connection what it leads to.
const greeting = `select pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('default_transaction_isolation'),
 current_setting('server_encoding'), pg_backend_pid()`

// isolated marks a connection whose transactions have to ask for the level that
// the statements were written for.
const isolated = "isolated"

// current accepts a connection that shows the database as it is now, which a
// standby does not.
func current(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := greet(ctx, conn)
	return err
}

// writable accepts a connection that takes writes. One that does not is refused
// before anything is tried on it; where the URL has several hosts, the next one
// is asked.
func writable(ctx context.Context, conn *pgconn.PgConn) error {
	readOnly, err := greet(ctx, conn)
	if err == nil && readOnly {
		leavePooler(ctx, conn)
		err = errors.New("it takes no writes: default_transaction_read_only is on")
	}
	return err
}

func greet(ctx context.Context, conn *pgconn.PgConn) (readOnly bool, err error) {
	results, err := conn.Exec(ctx, greeting).ReadAll()
	if err != nil {
		return false, err
	}
	row := results[0].Rows[0]
	if string(row[0]) == "t" {
		leavePooler(ctx, conn)
		return false, errors.New("it is a standby, and takes no writes")
	}
	if string(row[4]) == strconv.FormatUint(uint64(conn.PID()), 10) { // a pooler gives out numbers of its own
		conn.CustomData()[direct] = true
	}
	if string(row[2]) != "read committed" {
		conn.CustomData()[isolated] = true
	}
	if encoding := string(row[3]); encoding != "UTF8" && encoding != "SQL_ASCII" {
		return false, fmt.Errorf("the encoding of the database is %s: make one with encoding 'UTF8'", encoding)
	}
	return string(row[1]) == "on", nil
}

// leavePooler ends the connection of a pooler that was lent to us and takes no
// writes: closing our own would only give it back, to be lent out again.
func leavePooler(ctx context.Context, conn *pgconn.PgConn) {
	sql := fmt.Sprintf(`select pg_terminate_backend(pg_backend_pid())
where pg_backend_pid() <> %d and (pg_is_in_recovery() or current_setting('transaction_read_only') = 'on')`, conn.PID())
	_, _ = conn.Exec(ctx, sql).ReadAll()
}

// syncWarning marks a connection whose last commit may not be on the standby:
// a backend that is told to stop waiting for it commits all the same and says
// so in a warning only.
const syncWarning = "sync"

func noticed(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" {
		conn.CustomData()[syncWarning] = true
	}
}

// quietConn is a connection that is closed, never cancelled: a cancel request
// that arrives during COMMIT would end the wait for the standby, and the commit
// would be reported as done. The driver sends it to RemoteAddr.
type quietConn struct{ net.Conn }

func (quietConn) RemoteAddr() net.Addr { return nowhere{} }

func quiet(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	return quietConn{conn}, nil
}

type nowhere struct{}

func (nowhere) Network() string { return "none" }
func (nowhere) String() string  { return "none" }
