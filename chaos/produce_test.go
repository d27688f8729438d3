//go:build linux

package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// mixed lets most tasks succeed at once, some after a retry, some slowly, some
// later.
func mixed(i int) (string, map[string]any) {
	switch {
	case i%10 == 0:
		return "status=500&first=1", nil
	case i%10 == 1:
		return "sleep=200ms", nil
	case i%50 == 2:
		return "sleep=1s&first=1", nil
	case i%20 == 3:
		return "", map[string]any{"delay": "300ms"}
	}
	return "", nil
}

// producers submit from several clients at once: single tasks, atomic batches,
// and tasks with a unique key that others ask for at the same time.
type producers struct {
	servers []*server
	judge   *judge

	mu      sync.Mutex
	acked   map[string]string
	again   map[string]string
	unique  map[string]string
	batches [][]string
	err     error
	wg      sync.WaitGroup
}

func (o ordeal) produce(t *testing.T, j *judge, servers ...*server) *producers {
	const clients = 8
	if o.script == nil {
		o.script = mixed
	}
	p := &producers{judge: j, servers: servers, acked: map[string]string{}, again: map[string]string{}, unique: map[string]string{}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	for c := range clients {
		p.wg.Go(func() {
			for i := c; i < o.tasks; i += clients {
				if err := p.offer(ctx, o, i); err != nil {
					p.mu.Lock()
					p.err = err
					p.mu.Unlock()
					return
				}
			}
		})
	}
	return p
}

// offer submits the i-th task, or a batch or a task with a unique key in its
// place.
func (p *producers) offer(ctx context.Context, o ordeal, i int) error {
	key, servers := fmt.Sprintf("k%06d", i), p.servers[i%len(p.servers):]
	script, more := o.script(i)
	switch i % 20 {
	case 5:
		return p.batch(ctx, key, i%40 == 5, servers...)
	case 7, 8, 9, 10:
		unique := fmt.Sprintf("u%d", i/20)
		p.mu.Lock()
		p.unique[key] = unique
		p.mu.Unlock()
		script, more = "sleep=50ms", map[string]any{"unique": map[string]any{"key": unique, "while_open": true, "on_conflict": "return"}}
	}
	sub := p.judge.task(key, script, more)
	id, err := submit(ctx, sub, servers...)
	if err != nil {
		return err
	}
	p.note(p.acked, key, id)
	if i%25 == 0 { // its answer got lost, as far as this client knows
		if id, err = submit(ctx, sub, servers...); err == nil {
			p.note(p.again, key, id)
		}
	}
	return err
}

// batch submits five tasks at once: until they are acknowledged, or only once, as
// a client does that dies.
func (p *producers) batch(ctx context.Context, key string, once bool, servers ...*server) error {
	var keys []string
	var bodies []map[string]any
	for n := range 5 {
		sub := p.judge.task(fmt.Sprintf("%s-%d", key, n), "")
		keys, bodies = append(keys, sub.key), append(bodies, sub.body)
	}
	p.mu.Lock()
	p.batches = append(p.batches, keys)
	p.mu.Unlock()
	ids, err := submitBatch(ctx, key, bodies, once, servers...)
	for n, id := range ids {
		p.note(p.acked, keys[n], id)
	}
	return err
}

// submitBatch returns the ids of an atomic batch, or none when its outcome is
// not known and it is sent once.
func submitBatch(ctx context.Context, key string, tasks []map[string]any, once bool, servers ...*server) ([]string, error) {
	for i := 0; ; i++ {
		var got struct {
			Items []struct{ Task taskJSON }
		}
		url := "http://" + servers[i%len(servers)].addr + "/v1/tasks/batch"
		code, err := call(ctx, http.MethodPost, url, key, map[string]any{"atomic": true, "tasks": tasks}, &got)
		switch {
		case err == nil && len(got.Items) == len(tasks):
			ids := make([]string, len(tasks))
			for n, item := range got.Items {
				ids[n] = item.Task.ID
			}
			return ids, nil
		case err == nil || given(code):
			return nil, errors.Join(err, fmt.Errorf("batch %s: %d, %d items", key, code, len(got.Items)))
		case once || ctx.Err() != nil:
			return nil, ctx.Err()
		}
		time.Sleep(20 * time.Millisecond) // the server is down
	}
}

// given tells whether a status is an answer that stays the same.
func given(code int) bool {
	return code >= 400 && code < 500 && code != http.StatusConflict && code != http.StatusTooManyRequests
}

func (p *producers) note(to map[string]string, key, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to[key] = id
}

func (p *producers) acknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 1 << 30 // let wait tell
	}
	return len(p.acked)
}

func (p *producers) wait() error {
	p.wg.Wait()
	return p.err
}

// history is what the auditor judges, with what the server says at the end.
func (p *producers) history(log []auditor.Event, faults []auditor.Fault, final, names map[string]string) auditor.History {
	p.mu.Lock()
	defer p.mu.Unlock()
	return auditor.History{
		Acknowledged: maps.Clone(p.acked), Again: p.again, Unique: p.unique, Batches: p.batches,
		Log: log, Faults: faults, Final: final, Names: names,
	}
}
