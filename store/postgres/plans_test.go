package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// TestPlansHoldOnStaleStatistics analyzes tables and then changes what is in them, as
// happens to every queue that was healthy until now.
func TestPlansHoldOnStaleStatistics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	for _, table := range []string{"task", "ready", "timer", "wait", "inbox", "journal", "body", "todo", "share", "gate", "line", "leaver", "graph", "audit", "schedule", "fire"} {
		exec(t, f.dsn, "alter table sendoff."+table+" set (autovacuum_enabled = false)")
	}
	check := func(when string) {
		t.Helper()
		for _, named := range []bool{false, true} {
			when := fmt.Sprintf("%s, named: %v", when, named)
			plans, err := f.s.Explain(t.Context(), f.lane, named)
			require.NoError(t, err)
			require.Equal(t, named, strings.Contains(plans["probe"], "lane = $1"), "a plan for any values: %s", plans["probe"])
			require.Len(t, plans, 7+2+14+5+16+25+19+5+6+1+5+11, when)
			for name, plan := range plans {
				requirePlan(t, plan, "%s, %s:\n%s", name, when, plan)
			}
			requireScans(t, plans)
			require.Contains(t, plans["append"], "Index Cond: (id = s_1.id)", when)
			require.Contains(t, plans["append"], "Index Scan using task_pkey", when)
		}
	}
	check("new")
	exec(t, f.dsn, "analyze")
	check("analyzed while empty")
	f.fill(t, 3000)
	exec(t, f.dsn, "update sendoff.task set state = 6; analyze; update sendoff.task set state = 2")
	check("a few, analyzed while none of them waited or ran")
	exec(t, f.dsn, "delete from sendoff.task; analyze sendoff.task") // its pages are still there
	check("deleted, and analyzed then")
	f.fill(t, 200_000)
	exec(t, f.dsn, `
insert into sendoff.wait (task) select id from sendoff.task limit 20000;
insert into sendoff.inbox (task, seq, kind) select id, 1, 1 from sendoff.task limit 20000;
insert into sendoff.journal (task, "offset", token, bytes) select id, 0, 1, '' from sendoff.task limit 20000;
insert into sendoff.todo (task, kind, token, at, detail) select id, 1, 1, at, '' from sendoff.task limit 20000;
insert into sendoff.dep (up, down, ended) select id, id, 0 from sendoff.task limit 20000;
insert into sendoff.need (task, lane, rule, waits, total, ok, failed, skipped) select id, lane, 0, true, 1, 0, 0, 0 from sendoff.task limit 20000;
insert into sendoff.gate (id, kind, ns, name, capacity, every, burst, inside, waiting, last, next) select id, 1, 1, '', 1, 0, 0, 1, 1, 1, 0 from sendoff.task limit 20000;
insert into sendoff.line (gate, prio, at, task, lane) select id, 5, 1, id, lane from sendoff.task limit 20000;
insert into sendoff.graph (ns, name, rev, created_at, definition) select 1, n, r, 1, '{}' from generate_series(1, 2000) as n, generate_series(1, 10) as r;
insert into sendoff.schedule (ns, name, rev, paused, spec, edited, next_at, last_due, last_fired, last_outcome, created_at, updated_at) select 1, n, 1, false, '{}', false, n, 0, 0, 0, 1, 1 from generate_series(1, 20000) as n;
insert into sendoff.fire (ns, schedule, due, task, fired_at, outcome, reason) select 1, n, r, '00000000-0000-0000-0000-000000000000', r, 1, '' from generate_series(1, 2000) as n, generate_series(1, 10) as r;
insert into sendoff.audit (at, count, ns, key_id, name, address, action, target, result, reason) select n, 1, 1, '', '', '', '', '', '', '' from generate_series(1, 20000) as n;
insert into sendoff.timer (at, lane, kind, id) select at, lane, 4, id from sendoff.task limit 20000`)
	check("filled after it was analyzed")
	exec(t, f.dsn, "analyze")
	check("analyzed while full")
}

// requirePlan wants a plan that nothing can be slow in: no sort, no walk over a table,
// and tasks found one by one.
func requirePlan(t *testing.T, plan, format string, args ...any) {
	t.Helper()
	for _, bad := range []string{"Sort", "Bitmap", "Seq Scan", "Hash Join", "Merge Join", "JIT"} {
		require.NotContains(t, plan, bad, append([]any{format}, args...)...)
	}
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		if strings.Contains(line, " on task t") && strings.Contains(line, "Scan") {
			require.Contains(t, lines[min(i+1, len(lines)-1)], " Cond: (", append([]any{format}, args...)...)
		}
	}
}

// requireScans wants the indexes that the statements are made for.
func requireScans(t *testing.T, plans map[string]string) {
	t.Helper()
	const byID = "= ANY (ARRAY["
	for name, parts := range map[string][]string{
		"lock waits":      {"Index Scan using wait_pkey"},
		"settle linked":   {"Index Scan using task_pkey", byID},
		"settle full":     {"Index Scan using task_pkey", byID},
		"settle inside":   {"Index Scan using task_pkey", byID},
		"settle leading":  {"Index Scan using task_pkey", byID},
		"settle plain":    {"Index Scan using task_pkey", byID},
		"make ready":      {"Index Scan using task_pkey", byID},
		"cancel":          {"using ready_line", "Index Scan using task_pkey", byID},
		"claim":           {"Index Scan using ready_line", "Tid Scan on ready", "Index Scan using task_pkey", byID},
		"resume messages": {"using inbox_pkey"},
		"tree":            {"using task_root"},
		"lost":            {"Index Scan using task_pkey", byID},
		"probe":           {"using ready_line"},
		"ahead":           {"using ready_line", "Index Cond: ((lane = ", "<= ROW("},
		"occupied":        {"using ready_line", "Index Cond: (lane ="},
		"shares of":       {"using share_pkey"},
		"payload bytes":   {"using task_lane", "using body_pkey"},
		"promote":         {"using timer_due", "Index Scan using task_pkey"},
		"take todos":      {"Index Scan using todo_due", "Tid Scan on todo"},
		"edges":           {"using dep_pkey"},
		"edges ahead":     {"using dep_pkey"},
		"one edge":        {"using dep_"},
		"recount":         {"using dep_down", "Index Scan using task_pkey"},
		"dependencies":    {"using dep_down", byID},
		"followers":       {"using dep_pkey", byID},
		"gates of":        {"Index Scan using task_pkey"},
		"lock gates":      {"using gate_pkey"},
		"put gates":       {"using gate_pkey", byID},
		"drop gates":      {"using gate_pkey", byID},
		"first in line":   {"using line_pkey", byID},
		"drop line":       {"using line_"},
		"backlog":         {"using todo_due", "Index Scan using task_pkey"},
		"stand":           {"Index Scan using task_pkey", byID},
		"lock ups":        {"Index Scan using task_pkey"},
		"lock needs":      {"using need_pkey"},
		"lock needs of":   {"using dep_pkey", "using need_pkey"},
		"look down of":    {"using dep_pkey", "Index Scan using task_pkey", "using need_pkey"},
		"look down":       {"Index Scan using task_pkey", "using need_pkey"},
		"purge needs":     {"using need_lane", byID},
		"follow 0":        {"using dep_"},
		"follow 1":        {"using need_pkey", byID},
		"follow 2":        {"Index Scan using task_pkey", byID},
		"put graph":       {"using graph_pkey"},
		"latest graph":    {"using graph_pkey"},
		"graph":           {"using graph_pkey"},
		"list graphs":     {"using graph_pkey on graph g", "Nested Loop Anti Join", "using graph_pkey on graph n"},
		"delete graph":    {"using graph_pkey"},
		"schedule":        {"using schedule_pkey"},
		"list schedules":  {"using schedule_pkey"},
		"due schedules":   {"using schedule_due"},
		"lock due":        {"using schedule_pkey"},
		"last fired":      {"using schedule_pkey"},
		"delete schedule": {"using schedule_pkey"},
		"drop fires":      {"using fire_pkey"},
		"fires":           {"using fire_pkey"},
		"trim fires":      {"using schedule_pkey", "using fire_pkey on fire f", "using fire_pkey on fire x"},
		"erase":           {"using dep_down", "Tid Scan on dep", "using need_pkey"},
		"finish todos":    {"task = s.task)", "Tid Scan on todo"},
	} {
		for _, part := range parts {
			require.Contains(t, plans[name], part, name)
		}
	}
	require.NotContains(t, plans["finish todos"], "Join Filter")
}
