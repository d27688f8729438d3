package main

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A backlog is worked off while another transaction stays open: what the queue
// leaves behind cannot be cleaned up, and claims must not get slower by it.
func heldCases() []benchCase {
	const group = "heldxmin/postgres"
	return []benchCase{
		{Group: group, Who: "sendoff", N: 1_000_000, Short: 100_000, do: held},
		{Group: group, Who: "river", N: 500_000, Short: 50_000, do: riverHeld},
	}
}

func held(ctx context.Context, r *run) error {
	c, err := r.burnDown(ctx, plain, func() (func(), error) { return r.hold(ctx) })
	if err != nil {
		return err
	}
	r.tenths(c.tenths())
	return nil
}

// tenths notes how the rate fell from the first tenth to the last.
func (r *run) tenths(first, last float64) {
	v := r.sample.Values
	v["first_tenth"], v["last_tenth"], v["decay"] = first, last, first/last
}

// hold opens a transaction with an id of its own, until release.
func (r *run) hold(ctx context.Context) (release func(), err error) {
	conn, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "begin isolation level repeatable read; select pg_current_xact_id(); select count(*) from pg_class"); err != nil {
		return nil, err
	}
	return func() { _ = conn.Close(ctx) }, nil
}
