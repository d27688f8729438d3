// Package record opens the database that the tasks of dispatcherd's doors are recorded in.
package record

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/record"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// Config says where tasks are recorded, and whose they are.
type Config struct {
	DSN     string // postgres:// URL, or KEY=VALUE pairs; a file path with File
	File    bool   // DSN is an SQLite file
	Service *dispatcherd.Config
	Version string
	Log     *slog.Logger
	Serve   func(ctx context.Context, e *engine.Engine) error // the doors of the engine; nil = none are open
}

// Opener returns what opens the database, as often as it takes.
func Opener(cfg Config) dispatcherd.Open {
	return func(ctx context.Context, s *dispatcherd.Service) (dispatcherd.Recorder, error) {
		o := &opened{cfg: &cfg, metrics: engine.NewMetrics()}
		r, err := o.open(ctx, s)
		if err != nil {
			o.close()
			return nil, err
		}
		return r, nil
	}
}

// opened is a database that is open, and the name of a service there.
type opened struct {
	cfg     *Config
	metrics *engine.Metrics
	store   store.Store
	handed  record.Handed
	name    *name
}

func (o *opened) open(ctx context.Context, s *dispatcherd.Service) (dispatcherd.Recorder, error) {
	if err := o.openStore(ctx); err != nil {
		return nil, err
	}
	own, err := o.ownWorkers(ctx)
	if err != nil {
		return nil, err
	}
	return record.New(record.Config{
		Store: o.store, Own: own, Service: o.cfg.Service, Version: o.cfg.Version, Log: o.cfg.Log, Metrics: o.metrics, Handed: o.handed, Serve: o.cfg.Serve, Close: o.close,
	}, s)
}

func (o *opened) close() {
	if o.name != nil {
		o.name.release()
	}
	if o.store == nil {
		return
	}
	if err := o.store.Close(); err != nil {
		o.cfg.Log.Error("close the database", "err", err)
	}
}

func (o *opened) openStore(ctx context.Context) error {
	if !o.cfg.File {
		s, err := postgres.Open(ctx, o.cfg.DSN, postgres.Options{
			Migrate: true, MaxConns: conns(o.cfg), Logger: o.cfg.Log, OnCommit: o.metrics.Commit,
			Deadline: 5 * time.Second, Patience: 2 * time.Second, // a service ends within 10 s, also without its database
		})
		if err != nil {
			return err
		}
		o.store, o.handed = s, submitted{s}
		return nil
	}
	s, err := sqlite.Open(ctx, o.cfg.DSN, sqlite.Options{OnCommit: o.metrics.Commit})
	if err != nil {
		return err
	}
	o.store = s
	return nil
}

// conns are the connections for reading and writing. With those that listen, renew the
// lease and hold a name, and the two of the broker, they are six.
func conns(cfg *Config) int {
	if cfg.Service.Generated {
		return 2
	}
	return 3
}

// ownWorkers are the workers of this service alone: by its id if that is configured, and
// otherwise by a name that nobody else has just now.
func (o *opened) ownWorkers(ctx context.Context) (string, error) {
	if !o.cfg.Service.Generated {
		return record.OwnWorkers(o.cfg.Service.NodeID), nil
	}
	if o.cfg.File {
		return task.OwnWorkers + "0", nil // nobody else has the file
	}
	var err error
	if o.name, err = takeName(ctx, o.cfg.DSN); err != nil {
		return "", fmt.Errorf("take a name for this service: %w", err)
	}
	return task.OwnWorkers + fmt.Sprint(o.name.number), nil
}

// submitted are the messages that sendoff.submit took.
type submitted struct{ db *postgres.Store }

// List implements record.Handed.
func (s submitted) List(ctx context.Context, channels []string, most int) ([]record.Message, error) {
	found, err := s.db.Submitted(ctx, channels, most)
	all := make([]record.Message, len(found))
	for i, f := range found {
		all[i] = record.Message{ID: f.ID, Channel: f.Channel, Text: f.Message}
	}
	return all, err
}

// Forget implements record.Handed.
func (s submitted) Forget(ctx context.Context, ids []task.ID) error {
	return s.db.ForgetSubmitted(ctx, ids)
}
