package postgres

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// batch is how many rows the statements have that Explain shows.
const batch = 1000

func numbered(first byte, i int) task.ID { return task.ID{first, byte(i), byte(i >> 8)} }

// Explain returns the plans of the pinned statements, by name, as they are made
// in a transaction with the pins.
func (s *Store) Explain(ctx context.Context, lane int32) (map[string]string, error) {
	now := s.clock.now()
	end := make([]*ending, batch)
	for i := range end {
		end[i] = &ending{Transition: &store.Transition{
			ID: numbered(1, i), Token: 1, Outcome: task.Failure, Decision: task.Decision{To: task.Scheduled}, Effects: &store.Effects{},
		}}
	}
	claim := &hotCall{claim: &store.ClaimRequest{Limit: 500, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: 500}}}}
	plans := map[string]string{}
	id, appended := task.ID{1}, &ending{Transition: &store.Transition{ID: task.ID{1}, Effects: &store.Effects{Append: &task.Segment{}, Next: &store.Next{}}}}
	f := newFamily(s.clock, now)
	f.members[id] = &member{id: id, has: true}
	f.made[task.ID{9}] = true
	f.settled(appended)
	f.suspended(f.members[id], &ending{call: &hotCall{}, Transition: &store.Transition{ID: id, Effects: &store.Effects{
		State: []byte{1}, Need: 1, Tell: []store.Message{{Kind: store.PollError}}, Calls: []store.NewTask{{ID: task.ID{2}}},
	}}})
	var ids []task.ID
	var victims []victim
	for i := range batch {
		ids = append(ids, numbered(3, i))
		victims = append(victims, victim{ids[i], &standing{lane: lane, state: task.Ready}})
		m := &member{id: ids[i], has: true, standing: standing{state: task.Suspended}, promptly: 1}
		f.deliver(m, store.Message{}, new([]store.Woken)) // it is what the function waits for
	}
	waiting := &member{id: task.ID{5}, has: true, standing: standing{state: task.Suspended}}
	forgotten := &member{id: task.ID{4}, has: true}
	f.timers = append(f.timers, waiting)
	f.leaveCalls(forgotten, 1, store.WithCalls)
	f.reset(forgotten, 0, nil)
	resumes := []*resumeCall{{id: id, limit: 1000, maxBytes: 1 << 20}}
	_, look := f.round([]*ending{appended})
	more := map[string]*stmt{
		"settle linked": settleLinked(end, now, nil), "lock waits": query(lockWaitsSQL).idList([]task.ID{id}),
		"look": look, "append": appendStmt([]*entry{{Checkpoint: &store.Checkpoint{ID: id}}}, nil),
		"resume messages": messagesStmt(resumes), "resume states": statesStmt(resumes), "tree": query(treeSQL).id(id).id(id).i8(500),
		"take todos": takeTodos(now, 500, 1, nil), "finish todos": finishTodos([]store.Todo{{Task: id}}),
		"purge ready":  query(purgeReadySQL).i4s(1, func(int) int32 { return lane }).i8(500),
		"purge timers": query(purgeTimersSQL).i4s(1, func(int) int32 { return lane }).i8(500),
		"lost":         lostStmt(make([]store.Held, batch), now, nil),
		"ahead":        aheadStmt(store.ReadyEntry{Lane: lane, Priority: 5, Position: now}, 10_000, new(int)),
	}
	for i, q := range f.statements() {
		more[fmt.Sprintf("effect %d", i)] = q
	}
	all := map[string]*stmt{
		"claim":        s.claimStmt(claim, now),
		"settle plain": settlePlain(end, now),
		"settle full":  settleFull(end, now, 0, nil),
		"probe":        query(probeSQL).i4(lane).i2(5).i8(0).i8(now),
		"promote":      query(dueSQL).i8(0).i8(now).i8(500),
		"make ready":   makeReady(ids, span{}, nil),
		"cancel":       cancelWaiting(victims, now, task.Requested, nil),
	}
	maps.Copy(all, more)
	for name, q := range all {
		var lines []string
		explain := &stmt{sql: "explain " + q.sql, values: q.values, oids: q.oids}
		explain.rows(func(r *wireRow) { lines = append(lines, r.text()) })
		if err := s.read(ctx, query(pins), explain); err != nil {
			return nil, err
		}
		plans[name] = strings.Join(lines, "\n")
	}
	return plans, nil
}
