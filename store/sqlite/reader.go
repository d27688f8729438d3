package sqlite

import (
	"context"
	"database/sql"
	"sync"
)

// reader is the pool of connections that read. It keeps what is asked more than once
// prepared: to parse a statement is half the work of reading one row.
type reader struct {
	*sql.DB
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt // by text; nil = asked once
}

// maxPrepared is how many texts a reader remembers: listings with rare filters come in many.
const maxPrepared = 200

func openReader(dsn string) (*reader, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	return &reader{DB: db, stmts: map[string]*sql.Stmt{}}, nil
}

// QueryContext is that of the pool, prepared.
func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := r.prepared(ctx, text) //nolint:sqlclosecheck // kept by the reader
	if err != nil {
		return nil, err
	}
	if s == nil {
		return r.DB.QueryContext(ctx, text, args...)
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext is that of the pool, prepared.
func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	s, err := r.prepared(ctx, text) //nolint:sqlclosecheck // kept by the reader
	if err != nil || s == nil {
		return r.DB.QueryRowContext(ctx, text, args...) // with the same error
	}
	return s.QueryRowContext(ctx, args...)
}

// prepared returns nil for a text that is new.
func (r *reader) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	r.mu.RLock()
	s, known := r.stmts[text]
	full := len(r.stmts) >= maxPrepared
	r.mu.RUnlock()
	if s != nil || !known && full {
		return s, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, known = r.stmts[text]; s != nil {
		return s, nil
	}
	if !known {
		r.stmts[text] = nil
		return nil, nil
	}
	s, err := r.PrepareContext(ctx, text) //nolint:sqlclosecheck // kept by the reader
	if err == nil {
		r.stmts[text] = s
	}
	return s, err
}

// Close closes what was prepared, and the pool.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stmts {
		if s != nil {
			_ = s.Close()
		}
	}
	return r.DB.Close()
}
