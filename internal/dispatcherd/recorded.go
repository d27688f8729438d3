package dispatcherd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/task"
)

var errInMemory = errors.New("it was carried out from memory, while the database did not answer")

// begin is called for each attempt of a recorded task, before it waits for a worker.
func (s *Service) begin(c *process.Call) (func(*process.Result), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return nil, process.ErrLost
	}
	it := s.record.byID[c.ID]
	if it == nil {
		m, err := parse(c.Message)
		if err == nil {
			err = m.read()
		}
		if err != nil {
			return nil, err
		}
		if s.gone(c.ID, c.Workers) {
			return nil, process.ErrLost
		}
		it = &item{m: m, id: c.ID}
		s.record.byID[c.ID] = it
	}
	switch {
	case it.memory:
		delete(s.record.byID, c.ID)
		return nil, errInMemory
	case it.canceled:
		delete(s.record.byID, c.ID)
		return nil, exec.ErrCanceled
	}
	s.leave(it)
	s.line = append(s.line, it)
	s.made++
	s.demand.note(len(s.line) + len(s.running))
	it.cancel, c.Timeout = c.Stop, it.m.timeout
	c.Started = func(worker int) { s.has(it, worker) }
	return func(r *process.Result) { s.over(it, c, r) }, nil
}

// gone tells whether a task is of a service before this one, which nobody takes the place
// of: it had an id that was made for it.
func (s *Service) gone(id, workers string) bool {
	if !strings.HasPrefix(workers, task.OwnWorkers) {
		return false
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return false
	}
	sec, nsec := u.Time().UnixTime()
	return time.Unix(sec, nsec).Before(s.began.Add(-time.Millisecond))
}

// over notes the end of an attempt of a recorded task. One that no worker has begun waits
// as before.
func (s *Service) over(it *item, c *process.Call, r *process.Result) {
	if !r.Unstarted() {
		s.mu.Lock()
		again := r.Again(c) && !it.canceled && !s.stopped
		if !again {
			delete(s.record.byID, it.id)
		}
		s.mu.Unlock()
		s.ended(it, r, again) // if the database has ended it all the same, tidy finds out
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.cancel = nil; it.canceled {
		s.leave(it)
		delete(s.record.byID, it.id)
	}
}

// moment is how long a command waits for what came before it to be where it goes.
const moment = 250 * time.Millisecond

// settle waits until what has come is recorded, and with a worker when one is free, so that
// a command finds what was submitted before it. It gives up after a moment.
func (s *Service) settle() {
	if s.record == nil {
		return
	}
	for end := time.Now().Add(moment); s.unsettled(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			ctx, cancel := context.WithTimeout(context.Background(), moment)
			s.tidy(ctx)
			cancel()
			return
		}
	}
}

func (s *Service) unsettled() bool {
	free := s.pool.Free() > 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record.to == nil || s.record.away || s.stopped {
		return false
	}
	if s.record.writes || len(s.record.inbox) > 0 {
		return true
	}
	for _, it := range s.line {
		if free && it.id != "" && it.cancel == nil {
			return true
		}
	}
	return false
}

// mostTidied is how many tasks are asked for at a time.
const mostTidied = 500

// tidy takes those off the lists that have ended without an attempt: somebody else has
// canceled them, a rule for duplicates has when their delay was over, or they are tried no
// more.
func (s *Service) tidy(ctx context.Context) {
	s.mu.Lock()
	to := s.record.to
	var ids []string
	for _, list := range [][]*item{s.line, s.blocked, s.delayed, s.again} {
		for _, it := range list {
			if it.id != "" && it.cancel == nil && len(ids) < mostTidied {
				ids = append(ids, it.id)
			}
		}
	}
	idle := to == nil || s.record.away || s.record.writes || len(s.record.inbox) > 0
	s.mu.Unlock()
	if idle || len(ids) == 0 {
		return
	}
	ended, err := to.Ended(ctx, ids)
	if err != nil {
		return // the next time
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ended {
		if it := s.record.byID[id]; it != nil && it.cancel == nil {
			s.leave(it)
			delete(s.record.byID, id)
		}
	}
	if !s.stopped {
		s.unblock()
	}
}
