package record

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// name is a number that no other service has while this one holds it: the smallest that is
// free, so that there are no more of them than services at a time. An advisory lock of a
// session keeps it, which the database lets go when the service is gone.
type name struct {
	conn   *pgx.Conn
	number int
}

// takeName takes the first name that is free.
func takeName(ctx context.Context, dsn string) (*name, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "sendoff dispatcherd: name"
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	n := &name{conn: conn}
	for ; ; n.number++ {
		var free bool
		err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", fmt.Sprintf("sendoff workers %d", n.number)).Scan(&free)
		if err != nil {
			n.release()
			return nil, err
		}
		if free {
			return n, nil
		}
	}
}

func (n *name) release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = n.conn.Close(ctx) // the database lets go of it in any case
}
