package postgres

import (
	"context"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Explain returns the plans of the pinned statements, by name, as they are made
// in a transaction with the pins.
func (s *Store) Explain(ctx context.Context, lane int32) (map[string]string, error) {
	now := s.clock.now()
	end := []*ending{{Transition: &store.Transition{ID: task.ID{1}, Token: 1, Outcome: task.Failure, Decision: task.Decision{To: task.Scheduled}}}}
	claim := &hotCall{claim: &store.ClaimRequest{Limit: 500, Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Limit: 500}}}}
	plans := map[string]string{}
	for name, q := range map[string]*stmt{
		"claim":        s.claimStmt(claim, now),
		"settle plain": settlePlain(end, now),
		"settle full":  settleFull(end, now, 0, nil),
		"probe":        query(probeSQL).i4(lane).i2(5).i8(0).i8(now),
		"promote":      query(dueSQL).i8(0).i8(now).i8(500),
		"cancel":       cancelWaiting([]victim{{task.ID{1}, &standing{lane: lane, state: task.Ready}}}, now, task.Requested, nil),
	} {
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
