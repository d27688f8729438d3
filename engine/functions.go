package engine

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/value"
	"github.com/sendoff-dev/sendoff/task"
)

// Functions looks at durable functions and steers them, as far as they are more than
// tasks: see [Tasks] for the rest. Safe for concurrent use.
type Functions struct {
	functions *operate.Functions
	tasks     *operate.Tasks
}

// Tree is a function with the calls that were made for it.
type Tree struct {
	Tasks     []TaskInfo // the function itself first, callers before their calls
	Truncated bool       // it has more than 100,000 calls: those beyond are left out
}

// FunctionError is what a function, or a step, failed with.
type FunctionError struct {
	Type      string
	Message   string
	Traceback string
}

// StepState is what became of a step.
type StepState string

// The states of steps.
const (
	StepRunning     StepState = "running"
	StepSucceeded   StepState = "succeeded"
	StepFailed      StepState = "failed"
	StepInterrupted StepState = "interrupted" // it runs again when its function goes on
	StepCanceled    StepState = "canceled"    // given up, by the function or with its end
)

// Step is a step of a function.
type Step struct {
	Name       string
	Key        string // the idempotency key that it has in the app: sendoff.StepKey
	State      StepState
	Site       string // where the code asks for it; "" = not recorded
	Attempts   int    // that it took; 0 while it has no end
	StartedAt  time.Time
	FinishedAt time.Time       // zero while it has no end
	Result     json.RawMessage // what it returned; what is no JSON has its type and base64
	Error      *FunctionError  // nil unless it failed
}

// StepQuery selects steps of a function.
type StepQuery struct {
	Limit  int    // steps of a page, 1 to 500; default 50
	Cursor string // Next of the page before
	Newest bool   // the newest first; otherwise the oldest
}

// StepPage is a part of the steps of a function.
type StepPage struct {
	Items  []Step
	Counts map[StepState]int // of all its steps
	Next   string            // cursor of the next page; "" at the end
	Note   string            // why there are none, where that needs a word
}

// Tree returns a function with all calls below it. store.ErrNotFound, ErrTooMany.
func (f *Functions) Tree(ctx context.Context, id string) (Tree, error) {
	tree, err := f.functions.Tree(ctx, id)
	return Tree{Tasks: infosOf(tree.Tasks), Truncated: tree.Truncated}, err
}

// Steps returns steps of a function. Only SDKs that keep a journal here have some; the
// note says when there is none. store.ErrNotFound, store.ErrNotFunction, ErrBadCursor,
// ErrOtherJournal.
func (f *Functions) Steps(ctx context.Context, id string, q StepQuery) (StepPage, error) {
	page, err := f.functions.Steps(ctx, id, operate.StepQuery(q))
	out := StepPage{Items: make([]Step, len(page.Items)), Counts: map[StepState]int{}, Next: page.Next, Note: page.Note}
	for i := range page.Items {
		out.Items[i] = stepOf(&page.Items[i])
	}
	for state, n := range page.Counts {
		out.Counts[StepState(state)] = n
	}
	return out, err
}

// Result returns what a function ended with: its result as JSON, or what it failed
// with; neither while it goes on. store.ErrNotFound.
func (f *Functions) Result(ctx context.Context, id string) (json.RawMessage, *FunctionError, error) {
	t, err := f.tasks.Get(ctx, id)
	if err != nil || !t.State.Final() || t.Kind != task.Function {
		return nil, nil, err
	}
	body, err := f.tasks.Result(ctx, &t)
	result, failure := value.Result(body)
	return result, errorOf(failure), err
}

// Restart begins a function again from its input, whatever its state, and cancels the
// calls that were made for it. store.ErrNotFound, store.ErrNotFunction.
func (f *Functions) Restart(ctx context.Context, id string) (TaskInfo, error) {
	return shown(f.functions.Restart(ctx, id))
}

// Signal gives a message to a function that has not ended; v is encoded as JSON.
// task.Invalid for its name or value, store.ErrNotFound, store.ErrFinal,
// store.ErrNotFunction.
func (f *Functions) Signal(ctx context.Context, id, name string, v any) error {
	var bad task.Invalid
	value := signalValue(&bad, v)
	if err := bad.Err(); err != nil {
		return err
	}
	return f.functions.Signal(ctx, id, name, value)
}

func stepOf(s *operate.Step) Step {
	v := Step{
		Name: s.Name, Key: s.Key, State: StepState(s.State), Site: s.Site, Attempts: int(s.Attempts),
		StartedAt: timeOf(s.Begun), FinishedAt: timeOf(s.Ended),
	}
	if s.Fail == nil {
		v.Result = value.Any(s.Value.Any())
		return v
	}
	e := &sdkv1.Error{}
	if proto.Unmarshal(s.Fail, e) != nil {
		e = &sdkv1.Error{Message: "the recorded error cannot be read"}
	}
	v.Error = errorOf(e)
	return v
}

func errorOf(e *sdkv1.Error) *FunctionError {
	if e == nil {
		return nil
	}
	return &FunctionError{Type: e.GetType(), Message: e.GetMessage(), Traceback: string(e.GetTraceback())}
}
