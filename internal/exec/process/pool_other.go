//go:build !unix

package process

import (
	"context"
	"errors"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

var errNoUnix = errors.New("process: tasks can be carried out by processes on Unix systems only")

// Pool cannot be made on this system.
type Pool struct{ cfg Config }

// New returns an error.
func New(Config) (*Pool, error) { return nil, errNoUnix }

// Guard returns an error.
func Guard() error { return errNoUnix }

// OnChange does nothing.
func (p *Pool) OnChange(func()) {}

// Run does nothing.
func (p *Pool) Run(context.Context) error { return errNoUnix }

// Do does nothing.
func (p *Pool) Do(context.Context, *Call) Result { return Result{} }

// Entry is the place of a call.
type Entry struct{}

// Enter does nothing.
func (p *Pool) Enter(*Call) *Entry { return &Entry{} }

// Worker is none.
func (e *Entry) Worker() (number int, ok bool) { return 0, false }

// Run does nothing.
func (e *Entry) Run(context.Context) Result { return Result{} }

// Command does nothing.
func (p *Pool) Command(context.Context, *Call, *Command) Result { return Result{} }

// Room is none.
func (p *Pool) Room() int { return 0 }

// Counts are none.
func (p *Pool) Counts() (made, retired int) { return 0, 0 }

// Free is how many workers wait for a call.
func (p *Pool) Free() int { return 0 }

// Waiting is none.
func (p *Pool) Waiting() int { return 0 }

// Config is what the pool was made with.
func (p *Pool) Config() Config { return p.cfg }

// Replace finds none.
func (p *Pool) Replace(int) error { return ErrNoWorker }

// Workers lists none.
func (p *Pool) Workers() []Worker { return nil }

// Worker is a worker as it is shown.
type Worker struct {
	Number                           int
	PID                              int
	Lang, State, Task, Target, Stage string
	Started, Since                   time.Time
	Done                             int
	Memory                           int64
	Replaced                         bool
}

type output struct{}

func (o *output) headers() []task.Header { return nil }

func signalName(int) string { return "a signal" }

// Allows tells whether tasks with this target may be carried out.
func (p *Pool) Allows(target string) bool { return p.cfg.Allows(target) }

type cells struct{}

func newCells() (*cells, error) { return nil, errNoUnix }

func oomFile() string { return "" }
