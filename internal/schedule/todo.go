package schedule

import (
	"context"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	todoPage  = 100
	todoHands = 16               // tasks whose todos are worked off at a time
	todoTime  = time.Minute      // for one; what is not done by then comes back
	todoOff   = 15 * time.Second // until it comes back when whoever took it is gone
)

// left is what transactions of this node left to be done, and who waits for it.
type left struct {
	knock chan struct{} // capacity 1

	mu      sync.Mutex
	waiting map[task.ID][]chan struct{}
	over    bool // nothing is worked off any more
}

func newLeft() *left {
	return &left{knock: make(chan struct{}, 1), waiting: map[task.ID][]chan struct{}{}}
}

// Left says that a transaction has left a store.Todo of a task, so that it is not
// found only by the next look. done is closed when that was worked off, as far as it
// could be, or another node does it, or Run has ended.
func (s *Scheduler) Left(id task.ID) (done <-chan struct{}) {
	ch := make(chan struct{})
	s.left.await(id, ch)
	s.Look()
	return ch
}

// Look says that there may be something to do.
func (s *Scheduler) Look() {
	select {
	case s.left.knock <- struct{}{}:
	default:
	}
}

func (l *left) await(id task.ID, chs ...chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		release(chs)
		return
	}
	l.waiting[id] = append(l.waiting[id], chs...)
}

// take returns who waits, and forgets them.
func (l *left) take() map[task.ID][]chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.waiting
	l.waiting = map[task.ID][]chan struct{}{}
	return waiting
}

func (l *left) end() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	for _, chs := range l.take() {
		release(chs)
	}
}

func release(chs []chan struct{}) {
	for _, ch := range chs {
		close(ch)
	}
}

// workOff does what is left to do, of all nodes.
func (s *Scheduler) workOff(ctx context.Context) error {
	defer s.left.end()
	hands := make(chan struct{}, todoHands)
	var work sync.WaitGroup
	defer work.Wait()
	for look := time.Duration(0); ; look = s.jittered() {
		select {
		case <-ctx.Done():
			return nil
		case <-s.left.knock:
		case <-time.After(look):
		}
		for ctx.Err() == nil && s.page(ctx, hands, &work) {
		}
	}
}

// page begins with what is due, and tells whether there may be more.
func (s *Scheduler) page(ctx context.Context, hands chan struct{}, work *sync.WaitGroup) (more bool) {
	waiting := s.left.take()
	due, err := s.cfg.Store.TakeTodos(ctx, todoPage, todoOff.Microseconds())
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("looking for what is left to do failed", "err", err)
	}
	more = len(due) == todoPage
	of := map[task.ID][]store.Todo{}
	for _, t := range due {
		of[t.Task] = append(of[t.Task], t)
	}
	for id, chs := range waiting {
		switch {
		case of[id] != nil:
		case more:
			s.left.await(id, chs...)
		default: // another node does it, or has done it
			release(chs)
		}
	}
	for id, todos := range of {
		hands <- struct{}{}
		work.Go(func() {
			for i := range todos {
				s.do(ctx, &todos[i])
			}
			release(waiting[id])
			<-hands
		})
	}
	return more
}

// do works off one todo. What fails comes back by itself.
func (s *Scheduler) do(ctx context.Context, t *store.Todo) {
	limited, cancel := context.WithTimeout(ctx, todoTime)
	defer cancel()
	err := s.cfg.Do(limited, *t)
	if err == nil && t.Kind != store.OpenGate {
		err = s.cfg.Store.FinishTodos(ctx, []store.Todo{*t})
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("what a task left to do failed, it is tried again", "task_id", t.Task, "kind", int(t.Kind), "err", err)
	}
}
