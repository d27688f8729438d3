package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/engine"
)

// A backlog is pushed to an app in another process, signed and unsigned.
func pushCases() []benchCase {
	return floors("push", func(group string) []benchCase {
		return []benchCase{
			{Group: group, Who: "sendoff-signed", N: 40_000, Short: 10_000, do: push},
			{Group: group, Who: "sendoff-unsigned", N: 40_000, Short: 10_000, do: push},
		}
	})
}

func push(ctx context.Context, r *run) error {
	app, err := r.help("sink")
	if err != nil {
		return err
	}
	address, err := app.line()
	if err != nil {
		return err
	}
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	cfg := engine.Config{AllowLoopback: true}
	if strings.HasSuffix(r.who, "-signed") {
		cfg.KeysFile = filepath.Join(r.Dir, "keys")
	}
	c, wrapped := count(s, r.N)
	e, err := engine.New(wrapped, cfg)
	if err != nil {
		return err
	}
	if err := r.watchWAL(ctx); err != nil {
		return err
	}
	if err := fill(ctx, e, r.N, engine.Task{URL: "http://" + address + "/hook", ContentType: "application/json"}); err != nil {
		return err
	}
	if err := r.workOffBy(ctx, e, c); err != nil {
		return err
	}
	return app.got(r.N)
}

// got asks a sink whether everything came.
func (h *helper) got(n int) error {
	if _, err := io.WriteString(h.in, "\n"); err != nil {
		return err
	}
	line, err := h.line()
	if err != nil {
		return err
	}
	if came, _ := strconv.Atoi(line); came < n {
		return fmt.Errorf("the app got %s of %d pushes", line, n)
	}
	return nil
}
