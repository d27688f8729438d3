// Package record keeps the tasks of dispatcherd's doors in a store: an engine over it has
// them carried out by the pool of the service. It does not know which database that is.
package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config says where tasks are recorded, and whose they are.
type Config struct {
	Store   store.Store
	Own     string // name of the workers of this service alone
	Service *dispatcherd.Config
	Version string
	Log     *slog.Logger
	Metrics *engine.Metrics                                   // that Store fills; nil = others
	Handed  Handed                                            // what is handed in by other ways than a broker; nil = nothing is
	Serve   func(ctx context.Context, e *engine.Engine) error // the doors of the engine; nil = none are open
	Close   func()                                            // called when Run returns; nil = nothing is to be closed
}

// Handed is what was handed in for a channel by other ways than a broker.
type Handed interface {
	List(ctx context.Context, channels []string, most int) ([]Message, error)
	Forget(ctx context.Context, ids []task.ID) error // of what has been recorded
}

// Message is one that was handed in.
type Message struct {
	ID      task.ID // that its task will have
	Channel string
	Text    string
}

// lease is how long a service may be away from its database before others take what it
// runs for lost. What runs is not begun again anywhere, so there is no hurry.
const lease = 30 * time.Second

// recorder implements dispatcherd.Recorder over an engine.
type recorder struct {
	cfg    Config
	engine *engine.Engine
}

// New returns a recorder for a service.
func New(cfg Config, s *dispatcherd.Service) (dispatcherd.Recorder, error) {
	r := &recorder{cfg: cfg}
	serves := []string{cfg.Own}
	if n := cfg.Service.Notify; n != nil {
		for _, channel := range n.Channels { // shared ones, and what is submitted in SQL
			serves = append(serves, sharedWorkers(channel))
		}
	}
	var err error
	r.engine, err = engine.New(cfg.Store, engine.Config{
		Name: cfg.Service.NodeID, Version: cfg.Version, Log: cfg.Log, Metrics: cfg.Metrics, Grace: time.Millisecond, Lease: lease,
		Processes: engine.SharedProcesses(s.Pool(), serves...), ProcessesOnly: true, Control: s.Control, AllowLoopback: true,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OwnWorkers are the workers of a service alone whose id is configured.
func OwnWorkers(nodeID string) string { return "node:" + plain(nodeID) }

func sharedWorkers(channel string) string { return "channel:" + plain(channel) }

// plain is a text as a name of workers may be, and as a queue may.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '/' || c == ' ' || unicode.IsControl(c) || c == unicode.ReplacementChar {
			return '_'
		}
		return c
	}, s)
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "")
	}
	if strings.Trim(s, ".") == "" {
		s += "_"
	}
	return s
}

// Run implements dispatcherd.Recorder.
func (r *recorder) Run(ctx context.Context) error {
	if r.cfg.Close != nil {
		defer r.cfg.Close()
	}
	served := make(chan error, 1)
	doors, closeDoors := context.WithCancel(ctx)
	defer closeDoors()
	if r.cfg.Serve != nil {
		go func() { served <- r.cfg.Serve(doors, r.engine) }()
	} else {
		served <- nil
	}
	err := r.engine.Run(ctx)
	closeDoors()
	return errors.Join(err, <-served)
}

// Add implements dispatcherd.Recorder.
func (r *recorder) Add(ctx context.Context, all []dispatcherd.Record) ([]error, error) {
	tasks := make([]engine.Task, len(all))
	for i := range all {
		var err error
		if tasks[i], err = r.task(&all[i]); err != nil {
			return nil, err
		}
	}
	results, err := r.engine.SubmitMany(ctx, tasks, false)
	if err != nil {
		return nil, err
	}
	faults := make([]error, len(all))
	for i, res := range results {
		switch {
		case res.Err != nil:
			faults[i] = res.Err
		case res.Status == engine.Dropped:
			faults[i] = dispatcherd.ErrDropped
		}
	}
	return faults, nil
}

// task is a record as the engine takes it. What was begun once is not begun again, unless
// that is asked for.
func (r *recorder) task(m *dispatcherd.Record) (engine.Task, error) {
	id, err := task.ParseID(m.ID)
	if err != nil {
		return engine.Task{}, err
	}
	t := engine.Task{
		UUID: id, Process: m.Task, Workers: r.cfg.Own, Queue: plain(m.Channel), Body: m.Message, ContentType: process.MessageType,
		Delay: m.Delay, Timeout: task.MaxTimeout,
	}
	if m.Timeout > 0 { // the service knows the fractions
		t.Timeout = min(max(m.Timeout, task.MinTimeout), task.MaxTimeout)
	}
	if m.UUID != "" {
		t.Labels = map[string]string{"uuid": m.UUID}
	}
	if m.Shared {
		t.Workers = sharedWorkers(m.Channel)
	}
	t.Once = m.Retry == nil || strings.HasPrefix(t.Workers, task.OwnWorkers) // nobody goes on with what such workers began
	if m.Retry != nil {
		t.Retry = *m.Retry
		t.Retry.MaxAttempts = cmp.Or(t.Retry.MaxAttempts, task.DefaultRetry.MaxAttempts)
	}
	if rule := rules[m.OnDuplicate]; rule != task.Parallel {
		t.OnDuplicate, t.DuplicateKey = rule, duplicateKey(t.Workers, m.Same)
	}
	if len(m.After) > 0 {
		t.DependsOn, t.When = m.After, task.Always
	}
	return t, nil
}

var rules = map[string]task.OnDuplicate{"serial": task.Serial, "discard": task.Discard, "queue_one": task.QueueOne}

// duplicateKey is the same for the same work of the same workers.
func duplicateKey(workers, same string) string {
	return fmt.Sprintf("%x", store.HashOf([]byte(workers), []byte(same)))
}

// Cancel implements dispatcherd.Recorder.
func (r *recorder) Cancel(ctx context.Context, id string) error {
	_, err := r.engine.Tasks().Cancel(ctx, id)
	if errors.Is(err, store.ErrFinal) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Ready implements dispatcherd.Recorder.
func (r *recorder) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return r.engine.Ready(ctx)
}

// mostListed is how many tasks from before are listed at a start.
const mostListed = 1000

// Waiting implements dispatcherd.Recorder.
func (r *recorder) Waiting(ctx context.Context) (all []dispatcherd.Record, err error) {
	f := engine.Filter{States: []task.State{task.Ready, task.Scheduled, task.Blocked}, Limit: 500}
	for range 20 {
		page, err := r.engine.Tasks().List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			t := &page.Items[i]
			if t.Workers != r.cfg.Own || len(all) == mostListed {
				continue
			}
			message, err := r.engine.Tasks().Payload(ctx, t.ID)
			if err != nil {
				return nil, err
			}
			rec := dispatcherd.Record{ID: t.ID, Channel: t.Queue, Message: message}
			if t.State == task.Scheduled {
				rec.Delay = max(time.Until(t.NextAt), time.Millisecond)
			}
			all = append(all, rec)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	slices.Reverse(all) // listings begin with the newest
	return all, nil
}

// Ended implements dispatcherd.Recorder.
func (r *recorder) Ended(ctx context.Context, ids []string) (ended []string, err error) {
	var all []task.ID
	for _, text := range ids {
		id, err := task.ParseID(text)
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	found, err := r.engine.Tasks().Many(ctx, all)
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for i := range found {
		open[found[i].ID] = !found[i].Final()
	}
	for _, id := range ids {
		if !open[id] {
			ended = append(ended, id)
		}
	}
	return ended, nil
}

// Take implements dispatcherd.Recorder.
func (r *recorder) Take(ctx context.Context, channels []string, read func(string, []byte) (dispatcherd.Record, error)) (int, error) {
	if r.cfg.Handed == nil {
		return 0, nil
	}
	found, err := r.cfg.Handed.List(ctx, channels, task.MaxBatch/2)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	ids := make([]task.ID, len(found))
	var all []dispatcherd.Record
	for i, f := range found {
		ids[i] = f.ID
		rec, err := read(f.Channel, []byte(f.Text))
		if err == nil {
			rec.ID = f.ID.String()
			all = append(all, rec)
		}
	}
	faults, err := r.Add(ctx, all)
	if err != nil {
		return 0, err
	}
	for i, fault := range faults {
		if fault != nil && !errors.Is(fault, dispatcherd.ErrDropped) {
			r.cfg.Log.Error("a message is dropped: it cannot be recorded", "channel", all[i].Channel, "uuid", all[i].UUID, "err", fault)
		}
	}
	return len(found), r.cfg.Handed.Forget(ctx, ids)
}
