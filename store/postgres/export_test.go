package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// batch is how many rows the statements have that Explain shows.
const batch = 1000

func numbered(first byte, i int) task.ID { return task.ID{first, byte(i), byte(i >> 8)} }

// Explain returns the plans of the pinned statements, by name, as they are made
// in a transaction with the pins: for the values given, as behind a pooler, or, with named, for any.
func (s *Store) Explain(ctx context.Context, lane int32, named bool) (map[string]string, error) {
	plans := map[string]string{}
	for name, q := range s.pinned(lane) {
		var lines []string
		explain, before, after := &stmt{sql: "explain " + q.sql, values: q.values, oids: q.oids}, []*stmt{query(pins)}, []*stmt(nil)
		if named {
			before = append(before, query(`set local plan_cache_mode = force_generic_plan`), query("prepare explained"+parameters(q)+" as "+q.sql))
			explain, after = query("explain execute explained"+nulls(q)), []*stmt{query("deallocate explained")}
		}
		explain.rows(func(r *wireRow) { lines = append(lines, r.text()) })
		if err := s.read(ctx, slices.Concat(before, []*stmt{explain}, after)...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		plans[name] = strings.Join(lines, "\n")
	}
	return plans, nil
}

// parameters are the types of q's, in brackets; "" = it has none.
func parameters(q *stmt) string {
	if len(q.oids) == 0 {
		return ""
	}
	var types []string
	for _, oid := range q.oids {
		t, _ := pgtype.NewMap().TypeForOID(oid)
		name, array := strings.CutPrefix(t.Name, "_")
		if array {
			name += "[]"
		}
		types = append(types, name)
	}
	return "(" + strings.Join(types, ", ") + ")"
}

// nulls are as many as q has parameters, in brackets.
func nulls(q *stmt) string {
	if len(q.oids) == 0 {
		return ""
	}
	return "(" + strings.Repeat("null, ", len(q.oids)-1) + "null)"
}

// Named returns how many statements the connections that are idle have by name.
func (s *Store) Named(ctx context.Context) (n int) {
	for _, pool := range s.pools() {
		for _, conn := range pool.AcquireAllIdle(ctx) {
			if p := preparedOf(conn.Conn().PgConn()); p != nil {
				n += p.given
			}
			conn.Release()
		}
	}
	return n
}

// OnIdle sends a command on each idle connection, behind the Store's back.
func (s *Store) OnIdle(ctx context.Context, sql string) (err error) {
	for _, pool := range s.pools() {
		for _, conn := range pool.AcquireAllIdle(ctx) {
			_, failed := conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
			err = errors.Join(err, failed)
			conn.Release()
		}
	}
	return err
}

// pinned are the statements that Explain shows.
func (s *Store) pinned(lane int32) map[string]*stmt {
	now, id := s.clock.now(), task.ID{1}
	ids, victims, waiting := make([]task.ID, batch), make([]victim, batch), make([]entering, batch)
	for i := range batch {
		ids[i] = numbered(3, i)
		victims[i] = victim{ids[i], &standing{lane: lane, state: task.Ready}}
		waiting[i] = entering{id: ids[i], was: task.Suspended, Entry: store.Entry{State: task.Ready, Lane: lane}}
	}
	t, f := s.busyTurn(lane)
	resumes := []*resumeCall{{id: id, limit: 1000, maxBytes: 1 << 20}}
	_, look := f.round(t.linked[:1])
	all := map[string]*stmt{
		"claim":        s.claimStmt(t.claims[0], now),
		"settle plain": settlePlain(settlePlainSQL, t.plain, now), "settle inside": settlePlain(settleInsideSQL, t.gated, now),
		"settle leading": settlePlain(settleLeadingSQL, t.leading, now),
		"settle full":    settleFull(t.full, now, 0, nil),
		"probe":          query(probeSQL).i4(lane).i2(5).i8(0).i8(now),
		"promote":        query(dueSQL).i8(0).i8(now).i8(500),
		"make ready":     enter(waiting, nil),
		"cancel":         cancelWaiting(victims, now, task.Requested, true, nil),
	}
	maps.Copy(all, map[string]*stmt{
		"settle linked": settleLinked(t.linked, now, nil), "lock waits": query(lockWaitsSQL).idList([]task.ID{id}),
		"look": look, "append": appendStmt([]*entry{{Checkpoint: &store.Checkpoint{ID: id}}}, nil),
		"resume messages": messagesStmt(resumes), "resume states": statesStmt(resumes), "tree": query(treeSQL).id(id).id(id).i8(500),
		"take todos": takeTodos(now, 500, 1, nil), "finish todos": finishTodos([]store.Todo{{Task: id}}),
		"purge ready":     query(purgeReadySQL).i4s(1, func(int) int32 { return lane }).i8(500),
		"purge timers":    query(purgeTimersSQL).i4s(1, func(int) int32 { return lane }).i8(500),
		"lost":            lostStmt(make([]store.Held, batch), now, nil),
		"ahead":           aheadStmt(store.ReadyEntry{Lane: lane, Priority: 5, Position: now}, 10_000, new(int)),
		"ahead at a gate": aheadAtStmt(store.LineEntry{Gate: store.Hash(id), Priority: 5, At: now}, 10_000, new(int)),
	})
	one := func(int) int32 { return lane }
	shares := putShares([]store.Share{{Queue: 1, Node: id, Has: store.Amount{Slots: 1}}, {Queue: 1, Node: id}})
	maps.Copy(all, map[string]*stmt{
		"occupied": query(occupiedSQL).i4s(1, one), "shares of": query(sharesOfSQL).i4s(1, one), "payload bytes": query(payloadBytesSQL).i4s(1, one),
		"settings hold": query(settingsHoldSQL).i4s(1, one).blobs(1, func(int) []byte { return nil }), "put shares": shares[0], "drop shares": shares[1],
	})
	maps.Copy(all, map[string]*stmt{
		"put graph": query(putGraphSQL).i4(1).text("a").i8(now).bytes([]byte("{}")), "latest graph": query(latestGraphSQL).i4(1).text("a"),
		"graph": query(graphSQL).i4(1).text("a").i4(0).i4(1), "list graphs": query(listGraphsSQL).i4(1).text("").i8(50), "delete graph": query(deleteGraphSQL).i4(1).text("a"),
	})
	maps.Copy(all, auditPlans())
	maps.Copy(all, schedulePlans(id))
	for i, q := range f.statements() {
		all[fmt.Sprintf("effect %d", i)] = q
	}
	maps.Copy(all, gatePlans(lane, ids))
	maps.Copy(all, s.depPlans(lane, ids))
	return all
}

func auditPlans() map[string]*stmt {
	return map[string]*stmt{
		"list audit":  query(listAuditSQL).i4(1).i8(1 << 40).text("").text("").text("").i8(0).i8(1 << 60).i8(50),
		"audit after": auditAfter(0, 50, nil), "last seal": query(lastSealSQL), "drop audit": query(dropAuditSQL).i8(50).i8(10),
		"seal audit": query(sealAuditSQL).i8s(2, func(i int) int64 { return int64(i) }).blobs(2, func(int) []byte { return []byte("s") }),
	}
}

// busyTurn is a turn with a batch of each sort, and a family with each effect.
func (s *Store) busyTurn(lane int32) (*turn, *family) {
	ends := func(first byte, effects *store.Effects) (list []*ending) {
		for i := range batch {
			d := task.Decision{To: task.Suspended}
			list = append(list, &ending{Transition: &store.Transition{ID: numbered(first, i), Token: 1, Decision: d, Effects: effects}})
		}
		return list
	}
	t := &turn{now: s.clock.now(), closed: []task.ID{{1}}, plain: ends(6, nil), gated: ends(10, nil), leading: ends(11, nil), full: ends(7, nil), linked: ends(1, &store.Effects{})}
	t.claims = []*hotCall{{claim: &store.ClaimRequest{Limit: 500, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: 500}}}}}
	id := task.ID{1}
	f := newFamily(s.clock, t.now)
	f.members[id] = &member{id: id, has: true}
	f.made[task.ID{9}] = true
	f.settled(&ending{Transition: &store.Transition{ID: id, Effects: &store.Effects{Append: &task.Segment{}, Next: &store.Next{}}}})
	f.suspended(f.members[id], &ending{call: &hotCall{}, Transition: &store.Transition{ID: id, Effects: &store.Effects{
		State: []byte{1}, Need: 1, Tell: []store.Message{{Kind: store.PollError}}, Calls: []store.NewTask{{ID: task.ID{2}}},
	}}})
	for i := range batch {
		m := &member{id: numbered(3, i), has: true, standing: standing{state: task.Suspended}, promptly: 1}
		f.deliver(m, store.Message{}, new([]store.Woken)) // it is what the function waits for
	}
	f.timers = append(f.timers, &member{id: task.ID{5}, has: true, standing: standing{state: task.Suspended}})
	forgotten := &member{id: task.ID{4}, has: true}
	f.leaveCalls(forgotten, 1, store.WithCalls)
	f.reset(forgotten, 0, nil)
	return t, f
}

// gatePlans are the statements at gates.
func gatePlans(lane int32, ids []task.ID) map[string]*stmt {
	id := ids[0]
	return map[string]*stmt{
		"make gates": query(makeGateSQL).idList(ids), "lock gates": query(lockGatesSQL).idList(ids), "first in line": query(firstInLineSQL).idList(ids).i4s(batch, func(int) int32 { return 1 }),
		"gates in line": query(gatesInLineSQL).id(id).i8(64), "gates of others": query(gatesOfOthersSQL).idList(ids).i8(64), "gates of due": query(gatesOfDueSQL).i8(1).i8(2).i8(100),
		"lock ready": query(lockReadySQL).id(id), "lock timer": query(lockTimerSQL).id(id), "lock need": query(lockNeedSQL).id(id),
		"line": query(lineSQL).id(id).i8(100), "take line": query(takeLineSQL).id(id).i2(5).i8(1).id(id), "lock row": query(lockRowSQL).id(id),
		"gates of": query(gatesOfSQL).idList(ids), "gates by task": query(gatesByTaskSQL).idList(ids),
		"put line": bindLine(make([]store.LineEntry, batch), putLineSQL).i4s(batch, func(int) int32 { return lane }), "drop line": bindLine(make([]store.LineEntry, batch), dropLineSQL),
		"stand": standStmt(make([]standsAt, batch)), "put gates": putGates(slices.Repeat([]*store.GateRow{{}}, batch)), "drop gates": query(dropGatesSQL).idList(ids),
		"backlog": backlog(new(store.Backlog)), "forget gates": query(forgetGatesSQL).i8(1).i8(500),
		"finish open": query(finishOpen).id(id),
		"leavers":     query(takeLeavers).idList(ids[:1]).i8s(1, func(int) int64 { return 1 }),
	}
}

// depPlans are the statements about dependencies.
func (s *Store) depPlans(lane int32, ids []task.ID) map[string]*stmt {
	p := newPlan(1)
	for i, id := range ids {
		p.marked = append(p.marked, id)
		p.deps = append(p.deps, store.Dep{Up: id, Down: ids[0]})
		p.needs = append(p.needs, store.Need{Task: ids[i]})
	}
	all := map[string]*stmt{
		"lock ups": query(lockUpsSQL).idList(ids), "lock up": query(lockUpSQL).id(ids[0]), "recount": query(recountSQL).id(ids[0]),
		"edges":       query(edgesSQL).idList(ids).idList(ids).i8(1000),
		"edges ahead": query(edgesAheadSQL).id(ids[0]).i8(aheadEdges).i8(aheadTasks),
		"one edge":    query(oneEdgeSQL).id(ids[0]).id(ids[0]),
		"lock needs":  query(lockNeedsSQL).idList(ids), "look down": query(lookDownSQL).idList(ids),
		"lock needs of": query(lockNeedsOfSQL).id(ids[0]).i8(1000), "look down of": query(lookDownOfSQL).id(ids[0]).i8(1000),
		"dependencies": query(dependenciesSQL).id(ids[0]).id(ids[0]).i8(500), "followers": query(followersSQL).id(ids[0]).id(ids[0]).i8(500),
		"purge needs": query(purgeNeedsSQL).i4s(1, func(int) int32 { return lane }).i8(500),
		"erase":       query(eraseOneSQL).idList(ids).i8(1).i8(1).i8(1),
		"erase ended": query(eraseEndedSQL).idList(ids).i8s(len(ids), func(int) int64 { return 1 }),
		"retain":      query(retainSQL).id(ids[0]).i8(1000),
	}
	for i, q := range p.depStatements() {
		all[fmt.Sprintf("depend %d", i)] = q
	}
	for i, q := range s.busyFollowing().statements() {
		all[fmt.Sprintf("follow %d", i)] = q
	}
	return all
}

// busyFollowing has followers of each sort.
func (s *Store) busyFollowing() *following {
	f := s.newFollowing(s.clock.now())
	for i := range batch {
		id := numbered(8, i)
		d := &down{Need: store.Need{Task: id}, row: store.Row{ID: id}, has: true}
		f.counted = append(f.counted, &edge{Dep: store.Dep{Up: task.ID{1}, Down: id}})
		f.needs, f.released, f.ended = append(f.needs, d), append(f.released, d), append(f.ended, d)
	}
	f.leave(&store.Todo{Kind: store.Release})
	return f
}

// Part is a part of a turn, in words.
type Part struct {
	Name, Free string
	Locks      int
	SQL        []string
}

// Parts returns the parts of a turn that has each of them, in the order in which they
// are sent: in the first round trip, and in the second.
func (s *Store) Parts(lane int32) (first, second []Part) {
	t, f := s.busyTurn(lane)
	d := s.busyFollowing()
	return inWords(t.first(f)), inWords(s.second(t, f, d.statements()))
}

func inWords(parts []part) (list []Part) {
	for _, p := range parts {
		w := Part{Name: p.name, Free: p.free, Locks: int(p.locks)}
		for _, q := range p.stmts {
			w.SQL = append(w.SQL, q.sql)
		}
		list = append(list, w)
	}
	return list
}

func schedulePlans(id task.ID) map[string]*stmt {
	one := store.Schedule{ScheduleName: store.ScheduleName{Namespace: 1, Name: "5"}, NextAt: 1, LastDue: 1, LastFired: 1, Last: 1, LastTask: id}
	writes := recordFires([]store.Schedule{one}, [][]store.Fire{{{Due: 20, FiredAt: 20, Outcome: 1, Task: id}}})
	v := volley{firings: []store.Firing{{Schedule: one}}}
	return map[string]*stmt{
		"schedule": query(scheduleSQL).i4(1).text("5"), "lock schedule": query(lockScheduleSQL).i4(1).text("5"), "lock due": v.lock(),
		"list schedules": query(listSchedulesSQL).i4(1).text("").i8(50), "due schedules": query(dueSchedulesSQL).i8(501),
		"last fired": writes[0], "put fires": writes[1], "delete schedule": query(dropScheduleSQL).i4(1).text("5"), "drop fires": query(dropFiresSQL).i4(1).text("5"),
		"fires": query(firesSQL).i4(1).text("5").i8(9).id(id).i8(50), "trim fires": query(trimFiresSQL).i4(1).text("5").i8(100).i8(999).i8(5),
	}
}
