package engine

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff/internal/schedule"
	"github.com/sendoff-dev/sendoff/task"
)

// Defaults is what the zero Config stands for, for programs that show it. Name,
// Metrics and Log are not in it: each engine gets its own.
func Defaults() Config { return Config{}.withFigures() }

func (c Config) withDefaults() Config {
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	return c.withFigures()
}

func (c Config) withFigures() Config {
	if c.Roles == nil {
		c.Roles = AllRoles
	}
	c.PushSlots = cmp.Or(c.PushSlots, 256)
	c.FunctionSlots = cmp.Or(c.FunctionSlots, 256)
	c.FunctionFloor = max(c.FunctionFloor, 1)
	c.LocalSlots = cmp.Or(c.LocalSlots, 100)
	c.Grace = cmp.Or(c.Grace, 25*time.Second)
	d := c.Retention.kept().Or(schedule.DefaultRetention)
	c.Retention = Retention{Succeeded: d.Succeeded, Canceled: d.Canceled, Failed: d.Failed}
	return c
}

func (r Retention) kept() task.Retention {
	return task.Retention{Succeeded: r.Succeeded, Failed: r.Failed, Canceled: r.Canceled}
}

// retentions are those of lanes whose queues have one of their own.
func (e *Engine) retentions() map[int32]task.Retention {
	out := map[int32]task.Retention{}
	for lane, r := range e.catalog.Retentions() {
		out[lane] = r.Or(e.cfg.Retention.kept())
	}
	return out
}
