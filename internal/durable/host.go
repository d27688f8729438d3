package durable

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// ErrStale is what Checkpoint returns when another attempt has taken over.
var ErrStale = errors.New("another attempt has taken over")

// Host runs functions for the requests of a server. Set its fields before use;
// then it is safe for concurrent use.
type Host struct {
	// SDK is the name and version that journals and reports carry.
	SDK string
	// Build is the build of the app, for people.
	Build string
	// Checkpoint stores a segment at the server while a run goes on. nil = it
	// cannot. It returns ErrStale when the token is no longer the newest.
	Checkpoint func(ctx context.Context, id string, token int64, a *sendoffv1.Append) error
	// Receive asks the server for what came for a run behind a message, and waits a
	// while for it. nil = it cannot. It returns ErrStale as Checkpoint does.
	Receive func(ctx context.Context, id string, token, after int64) (*sendoffv1.ReceiveResponse, error)
	// Result turns what a function returned into an answer.
	Result func(Value, error) *sdkv1.RunResponse
	// CacheSize is the number of suspended runs in memory; 0 = none.
	CacheSize int
	// CacheTTL is how long one stays there; 0 = 15 minutes.
	CacheTTL time.Duration
	// Site finds the line of the user's code that asks for a command. nil = do not.
	Site func() string
	// Trace gets a line for each entry of a journal. nil = none.
	Trace func(line string)

	// Base is the context that those of functions are made from; it must not end.
	// nil = the empty one.
	Base context.Context //nolint:containedctx // the values of a whole program

	cache *cache
}

// Open readies the host.
func (h *Host) Open() { h.cache = newCache(h.CacheSize, cmp.Or(h.CacheTTL, 15*time.Minute)) }

// Close evicts all suspended runs and interrupts those under way.
func (h *Host) Close() { h.cache.close() }

// Warm is the number of suspended runs in memory.
func (h *Host) Warm() int { return h.cache.len() }

type virtualKey struct{}

// Virtual marks a request as one in virtual time: the clock stands still while
// it is carried out, and every timer waits at the server.
func Virtual(ctx context.Context, now time.Time) context.Context {
	return context.WithValue(ctx, virtualKey{}, now)
}

func (h *Host) base() context.Context {
	if h.Base == nil {
		return context.Background()
	}
	return h.Base
}

func (h *Host) site() string {
	if h.Site == nil {
		return ""
	}
	return h.Site()
}

// Run carries out one request. The caller writes the answer and then calls
// done with whether that worked: only then is the run kept in memory.
func (h *Host) Run(ctx context.Context, req *sdkv1.RunRequest, fn Func) (res *sdkv1.RunResponse, done func(written bool)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := req.GetDispatchId()
	a := &active{token: req.GetContext().GetToken(), interrupt: cancel, done: make(chan struct{})}
	defer context.AfterFunc(ctx, a.tell)()
	taken, why := h.cache.begin(ctx, id, a)
	if why != nil {
		return h.later(req, "busy", why.text, why.wait), func(bool) {}
	}
	j := &job{host: h, req: req, fn: fn, id: id, received: time.Now()}
	if j.virtual, _ = ctx.Value(virtualKey{}).(time.Time); !j.virtual.IsZero() {
		j.received = j.virtual
	}
	over := false
	defer func() {
		if !over { // code of the user has called runtime.Goexit
			h.cache.end(id, nil)
		}
	}()
	res = j.guarded(ctx, taken)
	over = true
	h.cache.answered(id, a, res.GetReport().GetNeedJournal())
	return res, func(written bool) {
		keep := j.keep
		if keep != nil && !written {
			h.cache.drop(keep)
			keep = nil
		}
		h.cache.end(id, keep)
	}
}

// later puts an attempt off: nothing of it was done, and no fault of the function.
func (h *Host) later(req *sdkv1.RunRequest, kind, message string, wait time.Duration) *sdkv1.RunResponse {
	res := failed(sdkv1.Status_STATUS_THROTTLED, &sdkv1.Error{Type: kind, Message: message})
	if req.GetContext() != nil {
		res.Report = &sendoffv1.RunReport{Sdk: h.SDK, Build: h.Build}
		if wait > 0 {
			res.Report.RetryAfter = durationpb.New(wait)
		}
	}
	return res
}

func temporary(kind, message string) *sdkv1.RunResponse {
	return failed(sdkv1.Status_STATUS_TEMPORARY_ERROR, &sdkv1.Error{Type: kind, Message: message})
}

func failed(status sdkv1.Status, e *sdkv1.Error) *sdkv1.RunResponse {
	return &sdkv1.RunResponse{Status: status, Directive: &sdkv1.RunResponse_Exit{
		Exit: &sdkv1.Exit{Result: &sdkv1.CallResult{Error: e}},
	}}
}

// job is one request.
type job struct {
	host     *Host
	req      *sdkv1.RunRequest
	fn       Func
	id       string
	received time.Time
	virtual  time.Time // zero = time passes
	keep     *warm     // set when the run is suspended and may stay in memory
}

// server is the journal that a Sendoff server keeps, or nil.
func (j *job) server() *sendoffv1.Journal { return j.req.GetContext().GetJournal() }

func (j *job) token() int64 { return j.req.GetContext().GetToken() }

func (j *job) run(ctx context.Context, taken *warm) *sdkv1.RunResponse {
	if taken != nil && !j.fits(taken) {
		j.host.cache.drop(taken)
		taken = nil
	}
	if taken != nil {
		return j.advance(ctx, taken.run)
	}
	if s := j.server(); s != nil && s.GetLength() > 0 && !s.GetComplete() {
		return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_TEMPORARY_ERROR, Report: j.report(&sendoffv1.RunReport{NeedJournal: true})}
	}
	text, err := j.journal()
	if err != nil {
		return j.unreadable(err)
	}
	if len(text) == 0 {
		return j.fresh(ctx)
	}
	return j.cold(ctx, text)
}

func (j *job) report(r *sendoffv1.RunReport) *sendoffv1.RunReport {
	r.Sdk, r.Build = j.host.SDK, j.host.Build
	return r
}

// fits tells whether the run in memory is where the server believes it is.
func (j *job) fits(w *warm) bool {
	poll := j.req.GetPollResult()
	if poll == nil {
		return false // a new life of the run: from its input, or a tail call
	}
	if s := j.server(); s != nil {
		return w.length > 0 && s.GetLength() == w.length && s.GetWriter() == w.writer
	}
	return w.length == 0 && w.state == hashState(poll.GetTypedCoroutineState())
}

var stateSeed = maphash.MakeSeed()

func hashState(state *anypb.Any) uint64 { return maphash.Bytes(stateSeed, state.GetValue()) }

// journal finds the journal of the run; none at all for a first run.
func (j *job) journal() ([]byte, error) {
	s, poll := j.server(), j.req.GetPollResult()
	switch {
	case s != nil && s.GetLength() > 0:
		text := slices.Concat(s.GetSegments()...)
		if int64(len(text)) != s.GetLength() {
			return nil, fmt.Errorf("%w: it has %d bytes in place of %d", journal.ErrDamaged, len(text), s.GetLength())
		}
		return text, nil
	case poll == nil:
		return nil, nil
	case poll.GetTypedCoroutineState() == nil:
		return nil, fmt.Errorf("%w: the run is resumed without a journal", journal.ErrDamaged)
	}
	return unpackState(poll.GetTypedCoroutineState())
}

// unreadable answers a journal that cannot be used: a person must act.
func (j *job) unreadable(err error) *sdkv1.RunResponse {
	text := "SENDOFF1002: run " + j.id + " of function " + j.req.GetFunction() + ": " + err.Error() +
		". Restart the run from its input."
	return j.mismatch(text)
}

// mismatch blocks the run at a Sendoff server. Other servers get an error that
// they retry: the documented reaction to an incompatible state is to start from
// the input, which would repeat what was done.
func (j *job) mismatch(text string) *sdkv1.RunResponse {
	res := temporary("nondeterminism", text)
	if j.req.GetContext() != nil {
		res.Report = j.report(&sendoffv1.RunReport{Mismatch: text})
	}
	return res
}

// fresh starts a run from its input.
func (j *job) fresh(ctx context.Context) *sdkv1.RunResponse {
	input := FromAny(j.req.GetInput())
	info := j.info()
	info.Epoch = rand.Uint64N(1<<16-1) + 1
	info.Seed = j.seed(input)
	info.Generation = j.generation(info.Seed)
	w := &journal.Writer{}
	if j.server() == nil {
		w.KeepAll(nil)
	}
	r := newRun(j.host, info, w)
	header := journal.Entry{
		Kind: journal.Header, Name: info.Function, Version: journal.Newest, SDK: j.host.SDK, Seed: info.Seed,
		Epoch: info.Epoch, At: journal.Micros(j.now()), Value: input, Dispatch: j.id, Generation: info.Generation,
	}
	if info.Generation == 0 {
		header.Version = 1
	}
	if !info.Expires.IsZero() {
		header.Expires = journal.Micros(info.Expires)
	}
	r.write(&header)
	r.tick(header.At)
	r.traceEntry(&header)
	r.start(j.host.base(), j.fn, input)
	return j.advance(ctx, r)
}

// cold brings a run back by repeating its journal.
func (j *job) cold(ctx context.Context, text []byte) *sdkv1.RunResponse {
	entries, w, err := journal.Decode(text)
	if err != nil {
		return j.unreadable(err)
	}
	if j.server() == nil {
		w.KeepAll(text)
	}
	header := entries[0]
	if header.Name != j.req.GetFunction() || header.Dispatch != j.id {
		return j.unreadable(fmt.Errorf("%w: it is that of run %s of function %s", journal.ErrDamaged, header.Dispatch, header.Name))
	}
	info := j.info()
	info.Seed, info.Epoch, info.Generation = header.Seed, header.Epoch, header.Generation
	if header.Expires > 0 {
		info.Expires = journal.Time(header.Expires)
	}
	r := newRun(j.host, info, w)
	r.restore(entries)
	r.start(j.host.base(), j.fn, header.Value)
	return j.advance(ctx, r)
}

// restore sets the run to the start of a journal.
func (r *Run) restore(entries []journal.Entry) {
	r.replay = newReplay(entries)
	r.tick(entries[0].At)
	r.ledger.restore(entries)
	for i := range entries {
		r.traceEntry(&entries[i])
	}
}

func (j *job) info() Info {
	q := j.req
	info := Info{
		ID: j.id, Parent: q.GetParentDispatchId(), Root: q.GetRootDispatchId(), Function: q.GetFunction(),
		Attempt: int(max(q.GetContext().GetAttempt(), 1)),
	}
	if t := q.GetCreationTime(); t != nil {
		info.Created = t.AsTime()
	}
	if t := q.GetExpirationTime(); t != nil {
		info.Expires = t.AsTime()
	}
	return info
}

// seed is the same for each attempt to start the run, so that ids that a first
// attempt made and lost are made again.
func (j *job) seed(input Value) uint64 {
	hash := fnv.New64a()
	for _, text := range []string{j.id, j.req.GetFunction(), input.URL} {
		_, _ = hash.Write([]byte(text))
		_, _ = hash.Write([]byte{0})
	}
	_, _ = hash.Write(input.Data)
	_, _ = hash.Write(binary.AppendUvarint(nil, uint64(max(j.req.GetContext().GetEpoch(), 0))))
	return hash.Sum64()
}

// generation is the same for each attempt to start one journal of the run, and
// another one for each of its journals. A server that does not count them starts
// each with an input of its own.
func (j *job) generation(seed uint64) uint64 {
	if extra := j.req.GetContext(); extra != nil {
		return uint64(max(extra.GetEpoch(), 0))
	}
	return seed
}

func (j *job) now() time.Time {
	if t := j.req.GetContext().GetNow(); t != nil {
		return t.AsTime()
	}
	return j.received
}

func (j *job) attempt() attempt {
	poll, extra := j.req.GetPollResult(), j.req.GetContext()
	a := attempt{
		brought: brought{pollFail: poll.GetError(), results: poll.GetResults(), signals: extra.GetSignals()},
		now:     j.now(), received: j.received, sendoff: extra != nil, virtual: !j.virtual.IsZero(),
		canceled: extra.GetCanceled(),
	}
	if j.server() != nil && j.host.Checkpoint != nil {
		a.flush = j.flush
	}
	if extra != nil && extra.Told != nil && j.host.Receive != nil {
		a.listener = &listener{receive: j.receive}
		a.listener.told.Sequence = extra.GetTold()
	}
	return a
}

func (j *job) receive(ctx context.Context, after int64) (*sendoffv1.ReceiveResponse, error) {
	return j.host.Receive(ctx, j.id, j.token(), after)
}

// flush stores a segment at the server, within a few seconds or not at all.
func (j *job) flush(ctx context.Context, segment *sendoffv1.Append) error {
	var err error
	for try := range 4 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond << try):
			}
		}
		err = j.host.Checkpoint(ctx, j.id, j.token(), segment)
		if err == nil || errors.Is(err, ErrStale) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// advance runs on, and turns what came of it into an answer.
func (j *job) advance(ctx context.Context, r *Run) *sdkv1.RunResponse {
	defer func() {
		if j.keep == nil {
			r.evict()
		}
	}()
	return j.answer(r, r.advance(ctx, j.attempt()))
}

func (j *job) answer(r *Run, err error) *sdkv1.RunResponse {
	var misfit *MismatchError
	var panicked *PanicError
	switch {
	case errors.As(err, &misfit):
		return j.mismatch(misfit.Text)
	case errors.As(err, &panicked):
		return j.withJournal(r, temporaryPanic(panicked))
	case errors.Is(err, errInterrupted):
		return j.host.later(j.req, "interrupted", err.Error(), 0)
	case err != nil:
		return j.withJournal(r, failed(sdkv1.Status_STATUS_PERMANENT_ERROR, &sdkv1.Error{Type: "stuck", Message: "sendoff: " + err.Error()}))
	case r.root.done && !r.owesDetached():
		return j.exit(r)
	}
	return j.poll(r)
}

func temporaryPanic(p *PanicError) *sdkv1.RunResponse {
	return failed(sdkv1.Status_STATUS_TEMPORARY_ERROR, &sdkv1.Error{
		Type: "panic", Message: strings.ToValidUTF8(fmt.Sprint(p.Value), "?"), Traceback: p.Stack,
	})
}

// exit answers with what the function returned.
func (j *job) exit(r *Run) *sdkv1.RunResponse {
	if e := r.replay.missing(); e != nil {
		return j.mismatch(r.missing(e).Error())
	}
	value, _ := r.root.result.local.(Value)
	res := j.result(value, r.root.result.err)
	if r.canceled && Again(res.GetStatus()) { // it has undone what it could
		res.Status = sdkv1.Status_STATUS_PERMANENT_ERROR
	}
	res = j.withJournal(r, res)
	if res.Report != nil && len(r.calls)+len(r.givenUp) > 0 && !Again(res.GetStatus()) {
		res.Report.CancelOpenCalls = true
	}
	if res.Report != nil && res.GetExit().GetTailCall() != nil {
		res.Report.Untaken, res.Report.Received = r.untaken(), r.received()
	}
	return res
}

// withJournal adds what is new of the journal to an answer. An answer that is
// tried again leaves out the failures that it would only repeat.
func (j *job) withJournal(r *Run, res *sdkv1.RunResponse) *sdkv1.RunResponse {
	if j.req.GetContext() == nil {
		return res
	}
	if res.Report == nil {
		res.Report = &sendoffv1.RunReport{}
	}
	res.Report = j.report(res.Report)
	res.Report.Undo = r.undoing.Load() > 0
	n := r.log.Pending()
	if Again(res.GetStatus()) {
		n = r.repeatable()
	}
	if j.server() != nil && n > 0 {
		res.Report.Append = r.take(n)
	}
	return res
}

// Again tells whether a server tries a call again that ended so.
func Again(s sdkv1.Status) bool {
	switch s {
	case sdkv1.Status_STATUS_TIMEOUT, sdkv1.Status_STATUS_THROTTLED, sdkv1.Status_STATUS_TEMPORARY_ERROR,
		sdkv1.Status_STATUS_DNS_ERROR, sdkv1.Status_STATUS_TCP_ERROR, sdkv1.Status_STATUS_TLS_ERROR,
		sdkv1.Status_STATUS_HTTP_ERROR, sdkv1.Status_STATUS_INCOMPATIBLE_STATE:
		return true
	}
	return false
}

// Replay runs a function over a whole journal and no further: it starts no
// step. The error is a MismatchError when the code does not fit.
func (h *Host) Replay(ctx context.Context, function string, text []byte, fn Func) error {
	entries, w, err := journal.Decode(text)
	if err != nil {
		return err
	}
	if entries[0].Name != function {
		return fmt.Errorf("the journal is that of function %s, not of %s", entries[0].Name, function)
	}
	info := Info{ID: entries[0].Dispatch, Function: function, Seed: entries[0].Seed, Epoch: entries[0].Epoch, Generation: entries[0].Generation}
	if entries[0].Expires > 0 {
		info.Expires = journal.Time(entries[0].Expires)
	}
	r := newRun(h, info, w)
	r.restore(entries)
	r.dry = true
	r.start(h.base(), fn, entries[0].Value)
	err = r.advance(ctx, attempt{now: journal.Time(entries[0].At), virtual: true, sendoff: true})
	r.evict()
	return err
}
