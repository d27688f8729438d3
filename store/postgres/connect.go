package postgres

import (
	"context"
	"fmt"
	"net"
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
	hot := max(s.options.MaxConns/2, 4)
	if s.hot, err = newPool(ctx, s.dsn, hot, writes); err != nil {
		return err
	}
	if s.reads, err = newPool(ctx, s.dsn, s.options.MaxConns-hot, func(*pgxpool.Config) {}); err != nil {
		return err
	}
	for _, dsn := range []string{s.options.ListenDSN, s.dsn} {
		if dsn == "" {
			continue
		}
		pool, err := newPool(ctx, dsn, leaseConns, lasting)
		if err != nil {
			return err
		}
		s.lease = append(s.lease, pool)
	}
	return nil
}

// writes is for connections that write.
func writes(config *pgxpool.Config) { config.ConnConfig.AfterNetConnect = quiet }

// lasting is for connections that are not given up while they work: the database
// may have no room for another.
func lasting(config *pgxpool.Config) {
	writes(config)
	config.MaxConnLifetime = 0
}

func (s *Store) closePools() {
	for _, pool := range append([]*pgxpool.Pool{s.hot, s.reads}, s.lease...) {
		if pool != nil {
			pool.Close()
		}
	}
}

func newPool(ctx context.Context, dsn string, size int, more func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = int32(size)
	config.PingTimeout = leaseTry
	configure(config.ConnConfig)
	more(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return pool, nil
}

// configure sets what all connections have in common.
func configure(config *pgx.ConnConfig) {
	config.OnNotice = noticed
	if config.ConnectTimeout == driversTimeout {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sendoff"
	}
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
