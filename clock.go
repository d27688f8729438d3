package sendoff

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff/internal/durable"
)

// Sleep waits. It costs nothing while it does, survives the process, and may
// take months. The error is that of the context when it ends before. Outside a
// durable function it sleeps in the process.
func Sleep(ctx context.Context, d time.Duration) error {
	if !durable.In(ctx) {
		return sleep(ctx, d)
	}
	_, err := After(ctx, d).Await(ctx)
	return err
}

// SleepUntil is [Sleep] until a time by the server's clock.
func SleepUntil(ctx context.Context, t time.Time) error {
	if !durable.In(ctx) {
		return sleep(ctx, time.Until(t))
	}
	core, at := durable.TimerAt(ctx, t)
	_, err := timerFuture(core, at).Await(ctx)
	return err
}

// After is a timer: a future that has the time when it goes off. It works only
// in a durable function.
func After(ctx context.Context, d time.Duration) *Future[time.Time] {
	return timerFuture(durable.Timer(ctx, d))
}

func timerFuture(core *durable.Future, at time.Time) *Future[time.Time] {
	return &Future[time.Time]{core: core, name: "timer", read: func(*durable.Future) (time.Time, error) { return at, nil }}
}

// WithTimeout is [context.WithTimeout] with a deadline that is on record: in a
// durable function the standard one would end at another point in a replay.
// The deadline is seen when the function waits. Outside a durable function it
// is the standard one.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if !durable.In(ctx) {
		return context.WithTimeout(ctx, d)
	}
	return durable.WithTimeout(ctx, d)
}

// Now is the time by the server's clock at which the function last learned
// something: it does not pass while the function computes, and is the same in a
// replay. Outside a durable function it is time.Now.
func Now(ctx context.Context) time.Time {
	if !durable.In(ctx) {
		return time.Now()
	}
	return durable.Now(ctx)
}

// Rand gives random numbers that are the same in a replay. They are not for
// secrets. Each branch has its own.
func Rand(ctx context.Context) *mathrand.Rand {
	if !durable.In(ctx) {
		return mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64()))
	}
	return durable.Random(ctx)
}

// NewID is a random UUID (version 4) that is the same in a replay, for instance
// for the id of a thing that a step makes. It is no secret.
func NewID(ctx context.Context) string {
	var b [16]byte
	if durable.In(ctx) {
		b = durable.NewID(ctx)
	} else {
		_, _ = rand.Read(b[:]) // never fails
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Version lets code change while runs are under way: it returns latest in a run
// that gets here for the first time, and 0 in one that had gone past this place
// before the change had a name. The answer is on record, once for a run and a
// change. When no run with 0 is left, the old path and the call can go. Outside
// a durable function it is latest.
func Version(ctx context.Context, change string, latest int) int {
	if !durable.In(ctx) {
		return latest
	}
	return int(durable.Version(ctx, change, uint64(max(latest, 0))))
}

// RunInfo describes a run of a durable function.
type RunInfo struct {
	ID, Parent, Root string // dispatch ids; Parent is "" and Root its own for one that nobody called
	Function         string
	Attempt          int       // since the run made progress, from 1
	Created, Expires time.Time // zero = not known
	Commands         int64     // so far, in a replay too
	JournalBytes     int64     // before compression
	Replaying        bool      // what happens now happened before
}

// Info describes the run that ctx belongs to; zero outside one. What it returns
// may differ in a replay: use it to report, not to decide.
func Info(ctx context.Context) RunInfo {
	if !durable.In(ctx) {
		return RunInfo{}
	}
	i := durable.InfoOf(ctx)
	return RunInfo{
		ID: i.ID, Parent: i.Parent, Root: i.Root, Function: i.Function, Attempt: i.Attempt, Created: i.Created,
		Expires: i.Expires, Commands: i.Commands, JournalBytes: i.JournalBytes, Replaying: i.Replaying,
	}
}

// Logger is the default logger with the function and the id of the run. It is
// silent while the function repeats what happened before.
func Logger(ctx context.Context) *slog.Logger {
	if !durable.In(ctx) {
		return slog.Default()
	}
	i := durable.InfoOf(ctx)
	quiet := quietHandler{slog.Default().Handler(), func() bool { return durable.Replaying(ctx) }}
	return slog.New(quiet).With("function", i.Function, "dispatch_id", i.ID)
}

// quietHandler drops what is logged in a replay.
type quietHandler struct {
	slog.Handler
	quiet func() bool
}

// Enabled implements slog.Handler.
func (h quietHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return !h.quiet() && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.quiet}
}

// WithGroup implements slog.Handler.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.quiet}
}
