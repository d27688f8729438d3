package engine

import (
	"github.com/sendoff-dev/sendoff/internal/operate"
)

// Task is a task as Tasks shows it.
type Task = operate.Task
