package need_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/claim"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/node"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/schedule"
	"github.com/sendoff-dev/sendoff/internal/settle"
)

type config struct {
	Out   io.Writer
	Done  func()
	Spare func()
}

func TestAFieldThatIsMissingIsNamed(t *testing.T) {
	full := config{Out: io.Discard, Done: func() {}}
	require.NotPanics(t, func() { need.Fields(full, "Out", "Done") })
	require.PanicsWithValue(t, "need_test.config: Done is required", func() { need.Fields(config{Out: io.Discard}, "Out", "Done") })
	require.PanicsWithValue(t, "need_test.config has no field Gone", func() { need.Fields(full, "Gone") })
}

func TestARoomSaysWhatItWasNotGiven(t *testing.T) {
	for want, wire := range map[string]func(){
		"accept.Config: Store is required":        func() { accept.New(accept.Config{}) },
		"claim.Config: Store is required":         func() { claim.New(claim.Config{}) },
		"function.Config: Dialer is required":     func() { function.New(function.Config{}) },
		"node.Config: Store is required":          func() { node.New(node.Config{}) },
		"operate.TasksConfig: Store is required":  func() { operate.NewTasks(operate.TasksConfig{}) },
		"operate.QueuesConfig: Store is required": func() { operate.NewQueues(operate.QueuesConfig{}) },
		"schedule.Config: Store is required":      func() { schedule.New(schedule.Config{}) },
		"settle.Config: Store is required":        func() { settle.New(settle.Config{}) },
	} {
		require.PanicsWithValue(t, want, wire)
	}
}
