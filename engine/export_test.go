package engine

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
)

// RoutesOf are the doors of an engine, without the guard before them.
func RoutesOf(e *Engine) *route.Mux { return e.routes(HandlerConfig{}) }

// KnowsNamespace tells whether an engine has heard of a namespace.
func KnowsNamespace(e *Engine, id int32) bool { _, ok := e.ring.Namespace(id); return ok }

// AcceptorOf is what the doors of an engine hand submissions to.
func AcceptorOf(e *Engine) *accept.Acceptor { return e.acceptor }

// Wake tells an engine that tasks are ready that were stored behind its back.
func Wake(e *Engine, woken []store.Woken) { e.wake(woken) }

// OperatedBy is what the doors of an engine look at tasks with.
func OperatedBy(e *Engine) *operate.Tasks { return e.tasks }

// KeepOf is how long an engine keeps ended tasks.
func KeepOf(e *Engine) store.Keep {
	return store.Keep{Retention: e.cfg.Retention.kept(), Lanes: e.retentions()}
}

// FlushFailures writes the groups of failures that were gathered.
func FlushFailures(e *Engine) { e.failures.Flush(context.Background()) }

// FlushSeries has the engine look how much waits, and write all that it has counted.
func FlushSeries(e *Engine) {
	e.series.Sample(context.Background())
	e.series.Flush(context.Background(), e.store.Now()+store.Hour)
}

// Draining tells whether an engine claims nothing more.
func Draining(e *Engine) bool { return e.member.Draining() }
