package main

import (
	"context"
	"io"
	"net/http"

	"github.com/sendoff-dev/sendoff/engine"
)

// Submissions over HTTP from a client with 64 connections in another process,
// and what such a pair of processes can do at all.
func doorCases() []benchCase {
	cases := floors("http", func(group string) []benchCase {
		return []benchCase{{Group: group, Who: "sendoff", N: 60_000, Short: 10_000, do: door}}
	})
	return append(cases, benchCase{Group: "http/loopback", Who: "stdlib", N: 60_000, Short: 20_000, do: loopback})
}

const createPath = "/v1/tasks"

func createBody() string {
	return `{"url":"http://127.0.0.1:9/hook","payload":` + string(payload) + `}`
}

// door measures POST /v1/tasks of an engine that does not execute.
func door(ctx context.Context, r *run) error {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	e, err := engine.New(s, engine.Config{Roles: []engine.Role{engine.Accept}, AllowLoopback: true})
	if err != nil {
		return err
	}
	return r.answering(ctx, e.Handler(engine.HandlerConfig{Local: true}), createPath, createBody())
}

// loopback measures a handler that only reads and answers.
func loopback(ctx context.Context, r *run) error {
	return r.answering(ctx, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}), createPath, createBody())
}
