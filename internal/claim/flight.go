package claim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// An attempt takes room until it has ended. Its claim is in our hands until its
// end is written: only then does the database know that nobody has to look after
// the task any more. So the room is used again during the commit.

// unsettled is how many attempts may have ended without their end being written
// before further ones keep their room; as many as there is room for, when that
// is more. Without a bound a database that takes claims and no settles would
// pile tasks up in memory, and a crash would have all of them run again. It is
// as many as end in a slow commit of 10 ms where few workers do short tasks.
const unsettled = 256

// errTakenBack ends an attempt whose task is claimed again.
var errTakenBack = errors.New("the task was taken back and claimed again")

// flight is an attempt under way.
type flight struct {
	token   int64
	queue   int32
	start   *bucket // of its queue's rate, until it begins; guarded by the room
	started time.Time
	ctx     context.Context //nolint:containedctx // of this attempt alone
	cancel  context.CancelCauseFunc
}

// start runs the tasks of a claim.
func (l *Loop) start(claim task.ID, tasks []store.Claimed, reserved reservation) {
	flights := make([]*flight, len(tasks))
	queues := map[int32]int{}
	now := time.Now()
	for i := range tasks {
		f := &flight{token: tasks[i].Token, queue: l.lines.queues[tasks[i].Lane], started: now}
		f.ctx, f.cancel = context.WithCancelCause(l.runs) //nolint:fatcontext // one each, not nested
		flights[i] = f
		queues[f.queue]++
	}
	starts := l.cfg.Within.enter(reserved, queues)
	l.mu.Lock()
	l.asked = nil
	if len(tasks) > 0 {
		l.open[claim] = len(tasks)
		l.alone = tasks[0].Priority == task.SuspectPriority
	}
	for i, f := range flights {
		f.start = starts[f.queue]
		if old := l.flying[tasks[i].ID]; old != nil {
			old.cancel(errTakenBack)
		}
		l.flying[tasks[i].ID] = f
	}
	l.mu.Unlock()
	for i, f := range flights {
		l.tasks.Go(func() { l.fly(claim, &tasks[i], f) })
	}
}

// fly carries out an attempt and has its end written.
func (l *Loop) fly(claim task.ID, t *store.Claimed, f *flight) {
	var begin func()
	if f.start != nil {
		begin = func() { l.cfg.Within.begin(f) }
	}
	settle := l.cfg.Execute(f.ctx, t, begin)
	l.ended(t.ID, f)
	if settle != nil {
		next := l.expect(t)
		settle()
		next.alight()
	}
	l.settled(claim)
}

// ended makes room: the attempt is over, and its end goes to be written.
func (l *Loop) ended(id task.ID, f *flight) {
	l.mu.Lock()
	if l.flying[id] == f {
		delete(l.flying, id)
	}
	l.settling++
	l.mu.Unlock()
	f.cancel(nil)
	l.cfg.Within.leave(f)
	l.ring()
}

// settled lets go of a task whose end is written, or not ours to write.
func (l *Loop) settled(claim task.ID) {
	l.mu.Lock()
	ring := l.settling > unsettled || l.alone
	l.settling--
	if left, ok := l.open[claim]; ok && left > 1 {
		l.open[claim] = left - 1
	} else if ok {
		delete(l.open, claim)
		l.done = append(l.done, claim)
	}
	ring = ring || len(l.flying)+l.settling == 0 // a suspect may wait for that
	l.mu.Unlock()
	if ring {
		l.ring()
	}
}

// idle tells whether no task is in our hands.
func (l *Loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flying)+l.settling == 0
}

// InFlight is how many attempts are under way.
func (l *Loop) InFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flying)
}

// Settling is how many attempts have ended whose end is not written yet.
func (l *Loop) Settling() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settling
}

// Claims lists the claims in the loop's hands.
func (l *Loop) Claims() []task.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := slices.Concat(l.done, l.asked)
	for id := range l.open {
		ids = append(ids, id)
	}
	return ids
}

// Held lists the attempts that have been under way for at least age. Those that
// have ended are not among them: there is nothing left to stop, and the fence
// tells their settle when they were lost.
func (l *Loop) Held(age time.Duration) []store.Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	var held []store.Held
	for id, f := range l.flying {
		if time.Since(f.started) >= age {
			held = append(held, store.Held{ID: id, Token: f.token})
		}
	}
	return held
}

// Stop cancels an attempt that is no longer ours, with a cause; token 0 = whatever
// attempt of the task is under way. One that has ended is left to its settle.
func (l *Loop) Stop(h store.Held, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flying[h.ID]; f != nil && (h.Token == 0 || h.Token == f.token) {
		f.cancel(cause)
	}
}

// Drop cancels all attempts and forgets all claims: the node's lease is lost and
// others may run them already. Settles under way are for the fence to judge.
func (l *Loop) Drop(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.flying {
		f.cancel(cause)
	}
	clear(l.open)
	l.done = nil
}

// Drain waits for the attempts under way and for their ends to be written, and
// when ctx ends before, cancels the attempts with the cause and waits for what
// they do about it. Run has returned.
func (l *Loop) Drain(ctx context.Context, cause error) {
	over := make(chan struct{})
	go func() { l.tasks.Wait(); close(over) }()
	select {
	case <-over:
	case <-ctx.Done():
		l.cancel(cause)
		<-over
	}
	l.closeClaims()
}

// closeClaims deletes the rows of claims that are done, so that nobody looks at
// them again; when it fails, the rescue does it.
func (l *Loop) closeClaims() {
	node, _ := l.cfg.Node()
	id := task.ID(uuid.Must(uuid.NewV7()))
	if done := l.takeDone(id); len(done) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = l.cfg.Store.Claim(ctx, store.ClaimRequest{ID: id, Node: node, Done: done})
	}
}
