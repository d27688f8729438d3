package engine

import (
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
)

// AcceptorOf is what the doors of an engine hand submissions to.
func AcceptorOf(e *Engine) *accept.Acceptor { return e.acceptor }

// OperatedBy is what the doors of an engine look at tasks with.
func OperatedBy(e *Engine) *operate.Tasks { return e.tasks }
