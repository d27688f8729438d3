package main

import (
	"context"

	"github.com/sendoff-dev/sendoff/engine"
)

// Single submissions from 64 callers, each answered after its sync.
func submitCases() []benchCase {
	cases := floors("submit1", func(group string) []benchCase {
		river := benchCase{Group: group, Who: "river", N: 4_000, Short: 1_000, do: riverInsert}
		if onPostgres(group) {
			river.N, river.Short = 20_000, 5_000
		}
		return []benchCase{{Group: group, Who: "sendoff", N: 100_000, Short: 20_000, do: submitSingly}, river}
	})
	return append(cases, benchCase{Group: "submit1/redis", Who: "asynq", N: 50_000, Short: 10_000, do: asynqEnqueue})
}

const submitters = 64

func submitSingly(ctx context.Context, r *run) error {
	return r.submitting(ctx, func(e *engine.Engine) error {
		return fromMany(r.N, submitters, 1, func(int) error {
			_, err := e.Submit(ctx, local(payload))
			return err
		})
	})
}

// Many at once: SubmitMany of 1,000 from two callers, and rows of 5,000 straight
// into the store, as River's InsertManyFast takes them.
func bulkCases() []benchCase {
	return floors("bulk", func(group string) []benchCase {
		cases := []benchCase{
			{Group: group, Who: "sendoff", N: 200_000, Short: 40_000, do: submitMany},
			{Group: group, Who: "sendoff-copy", N: 200_000, Short: 40_000, do: insertMany},
			{Group: group, Who: "river", N: 100_000, Short: 20_000, do: riverInsertMany},
		}
		if !onPostgres(group) {
			return append(cases[:1], cases[2])
		}
		return cases
	})
}

func submitMany(ctx context.Context, r *run) error {
	return r.submitting(ctx, func(e *engine.Engine) error { return fill(ctx, e, r.N, local(nil)) })
}

// submitting measures what is submitted to an engine that does not execute.
func (r *run) submitting(ctx context.Context, submit func(*engine.Engine) error) error {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	e, err := engine.New(s, engine.Config{Roles: []engine.Role{engine.Accept}})
	if err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := submit(e); err != nil {
		return err
	}
	return r.end(ctx, r.N)
}

func insertMany(ctx context.Context, r *run) error {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	w, err := newWorkOff(ctx, s)
	if err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := insertRows(ctx, s, w.lane, r.N, 5_000); err != nil {
		return err
	}
	return r.end(ctx, r.N)
}
