package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// none is a check that finds nothing: each row of the query is a fault, by its id or name.
func none(name string, status store.CheckStatus, query, means, fix string) test {
	query = words.SQL(query)
	return test{name, func(ctx context.Context, p *patient) (finding, error) {
		var names []string
		n := 0
		err := p.each(ctx, query, func(rows *sql.Rows) error {
			var id any
			if n++; n <= 3 {
				if err := rows.Scan(&id); err != nil {
					return err
				}
				names = append(names, shown(id))
			}
			return nil
		})
		switch {
		case err != nil:
			return finding{}, err
		case n == 0:
			return fine("none"), nil
		case n > len(names):
			names = append(names, "...")
		}
		return finding{status: status, detail: fmt.Sprintf("%d %s: %s", n, means, strings.Join(names, ", ")), fix: fix}, nil
	}}
}

// shown is an id or a name, of either floor.
func shown(v any) string {
	switch v := v.(type) {
	case []byte:
		if len(v) == len(task.ID{}) {
			return task.ID(v).String()
		}
		return string(v)
	case nil:
		return "-"
	}
	return fmt.Sprint(v)
}

// What to do about a database that contradicts itself.
const (
	restore  = "keep the database as it is, restore a backup beside it, and report it: no server does this"
	restarts = "retry or run the tasks by hand (sendoff tasks retry, run); if they stay, restore a backup and report it"
)

// shared are the checks of both floors. Those of lists compare what there is at one moment.
var shared = []test{
	none("ready", Fail, `select r.id from ready r left join task t on t.id = r.id and t.state = :ready where t.id is null
 union all select t.id from task t left join ready r on r.id = t.id where t.state = :ready and r.id is null
 union all select id from ready group by id having count(*) > 1`,
		"tasks are ready and in no line, or the other way round", restarts),
	none("timers", Fail, `select x.id from timer x left join task t on t.id = x.id and (`+timed+`) where t.id is null
 union all select t.id from task t left join timer x on x.id = t.id where (`+timed+`) and x.id is null
 union all select id from timer group by id having count(*) > 1`,
		"tasks wait for a time that nobody looks at, or the other way round", restarts),
	none("running", Fail, `with recursive held as ($held) select t.id from task t left join held h on h.id = t.id and h.node = t.node
 where t.state = :running and h.id is null`,
		"tasks run in no claim, so that nobody takes them back from a lost node", "cancel them (sendoff tasks cancel), retry them, and report it"),
	none("failed", Fail, `select d.id from dead d left join task t on t.id = d.id and t.state = :failed where t.id is null
 union all select t.id from task t left join dead d on d.id = t.id where t.state = :failed and d.id is null`,
		"failed tasks are not listed as such, or the other way round", restore),
	none("lines", Fail, `select l.task from line l left join task t on t.id = l.task and t.state = :blocked and t.reason in (`+gated+`) where t.id is null
 union all select t.id from task t left join line l on l.task = t.id where t.state = :blocked and t.reason in (`+gated+`) and l.task is null`,
		"tasks wait for a limit, an order or a duplicate and are in no line, or the other way round", restarts),
	none("dependants", Fail, `select n.task from need n left join task t on t.id = n.task and t.state = :blocked and t.reason = :reason_dependencies
 where n.waits and t.id is null
 union all select t.id from task t left join need n on n.task = t.id and n.waits where t.state = :blocked and t.reason = :reason_dependencies and n.task is null`,
		"tasks wait for others of which nothing is known, or the other way round", restarts),
	none("dependencies", Fail, fmt.Sprintf(`select n.task from need n left join
 (select down, count(*) as total, sum(case when ended = %d then 1 else 0 end) as ok, sum(case when ended = %d then 1 else 0 end) as failed
  from dep group by down) d on d.down = n.task
 where n.total <> coalesce(d.total, 0) or n.ok <> coalesce(d.ok, 0) or n.failed <> coalesce(d.failed, 0)`, task.EndedWell, task.EndedBadly),
		"tasks count what they depend on wrongly", restore),
	none("edges", Fail, `select d.down from dep d left join task t on t.id = d.down where t.id is null
 union all select n.task from need n left join task t on t.id = n.task where t.id is null`,
		"dependencies are of tasks that are not there", restore),
	{"gates", countGates},
	none("payloads", Fail, `select t.id from task t left join body b on b.task = t.id and b.part = :part_payload
 where (t.flags & :flag_body) <> 0 and b.task is null`,
		"tasks have lost their payload", "cancel and submit them again, or restore a backup"),
	none("leftovers", Warn, `select b.task from body b left join task t on t.id = b.task where t.id is null
 union all select a.task from attempt a left join task t on t.id = a.task where t.id is null
 union all select w.task from wait w left join task t on t.id = w.task where t.id is null
 union all select j.task from journal j left join task t on t.id = j.task where t.id is null`,
		"payloads, attempts or journals are of tasks that are not there", "they only take room; report it"),
	none("queues", Fail, `select t.id from task t left join lane l on l.id = t.lane where l.id is null
 union all select t.id from task t join lane l on l.id = t.lane left join queue q on q.id = l.queue where q.id is null`,
		"tasks are in queues that are not there", restore),
	none("namespaces", Fail, `select q.name from queue q left join namespace n on n.id = q.ns where n.id is null`,
		"queues are in namespaces that are not there", restore),
	none("claims", Warn, fmt.Sprintf(`select c.id from claim c left join node n on n.id = c.node where n.id is null or n.lease_until < $now - %d`, time.Minute.Microseconds()),
		"claims are of nodes that are gone", "start a server with the role schedule: it takes them back within seconds"),
	late("due", `select id from timer where at < $now - %d`, "tasks are due and do not start"),
	late("todos", `select task from todo where at < $now - %d`, "things are left to do that nobody does"),
	late("schedules", `select name from schedule where next_at > 0 and next_at < $now - %d and not paused`, "schedules are due and do not fire"),
	none("paused", Warn, `select name from namespace where paused_at > 0 union all select name from queue where paused`,
		"namespaces or queues are paused", "sendoff resume, or sendoff queues resume; after a restore: sendoff resume --restored"),
	none("api-keys", Warn, fmt.Sprintf(`select name from api_key where revoked_at = 0 and expires_at > 0 and expires_at < $now + %d`, (14*24*time.Hour).Microseconds()),
		"API keys have expired, or do so within 14 days", "make new ones with sendoff api-keys create, and revoke these"),
	none("times", Warn, fmt.Sprintf(`select id from (select id, created_at from task order by id desc limit 1) newest where created_at > $now + %d`, (5*time.Minute).Microseconds()),
		"task was accepted in the future", "look at the clocks: this one is behind, or one was ahead"),
	{"audit", followAudit},
	{"signing-keys", signingKeys},
}

// timed are tasks that wait for a time, gated the reasons of those in line.
const (
	timed = `t.state in (:scheduled, :suspended) or t.state = :blocked and t.reason not in (:reason_dependencies, ` + gated + `)`
	gated = `:reason_order, :reason_limit, :reason_duplicate`
)

// late is a check of what a server does within seconds.
func late(name, query, means string) test {
	found := none(name, Warn, fmt.Sprintf(query, time.Minute.Microseconds()), means+", for more than a minute",
		"look at the log of the nodes with the role schedule, and whether there is one")
	return test{name, func(ctx context.Context, p *patient) (finding, error) {
		if !p.alive {
			return skipped("no server is running"), nil
		}
		return found.run(ctx, p)
	}}
}
