package accept

import (
	"context"
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// noon is when everything here happens.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// rig is a room with a database, and what it told.
type rig struct {
	*Acceptor
	*storetest.Oracle
	woken    []store.Woken
	expected []store.Woken // with how many tasks were stored then as position
	over     int
	due      []int64
	accepted int
}

func (r *rig) Wake(w []store.Woken) { r.woken = append(r.woken, w...) }
func (r *rig) Expect(lane int32, priority int16) func() {
	r.expected = append(r.expected, store.Woken{Lane: lane, Priority: priority, Position: int64(len(r.woken))})
	return func() { r.over++ }
}
func (r *rig) Due(at int64)   { r.due = append(r.due, at) }
func (r *rig) Accepted(n int) { r.accepted += n }

func newRig(change ...func(*Config)) *rig {
	r := &rig{Oracle: storetest.NewOracle(func() int64 { return noon.UnixMicro() })}
	cfg := Config{
		Store: r.Oracle, Bell: r, Meter: r, Embedded: func(name string) bool { return name == "app" },
		Lane: func(ctx context.Context, namespace int32, queue, pool, _ string) (store.Lane, error) {
			return r.EnsureLane(ctx, namespace, queue, pool, 3)
		},
		CheckURL: func(u *url.URL) error {
			if u.Hostname() == "inside" {
				return errors.New("may not be called")
			}
			return nil
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Acceptor = New(cfg)
	return r
}

func push(change func(*Submission)) Submission {
	s := Submission{Spec: task.Spec{URL: "http://app.example/hook"}}
	change(&s)
	return s
}

func limited(limits ...task.Limit) Submission {
	return push(func(s *Submission) { s.Spec.Limits = limits })
}

func call(change func(*Submission)) Submission {
	s := Submission{Spec: task.Spec{Function: "f", Endpoint: "http://app.example/"}}
	change(&s)
	return s
}

func TestEachFaultIsNamed(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int) (headers []task.Header) {
		for range n {
			headers = append(headers, task.Header{Name: "X", Value: "y"})
		}
		return headers
	}
	labels := map[string]string{}
	for n := range 33 {
		labels[long(n+1)] = "x"
	}
	for _, tt := range []struct {
		name, field, text string
		s                 Submission
	}{
		{"no target", "url", "given: none", Submission{}},
		{"two targets", "url", "given: url and handler", push(func(s *Submission) { s.Spec.Handler = "h" })},
		{"a process with a line end", "process", "control characters", Submission{Spec: task.Spec{Process: "a.b\n"}}},
		{"a process too long", "process", "at most 4096", Submission{Spec: task.Spec{Process: long(4097)}}},
		{"no URL", "url", "is not a URL", push(func(s *Submission) { s.Spec.URL = "::" })},
		{"another scheme", "url", "want http or https", push(func(s *Submission) { s.Spec.URL = "ftp://h/" })},
		{"no host", "url", "names no host", push(func(s *Submission) { s.Spec.URL = "http:///p" })},
		{"a URL too long", "url", "at most 4096", push(func(s *Submission) { s.Spec.URL = "http://h/" + long(4096) })},
		{"a fragment", "url", "write %23", push(func(s *Submission) { s.Spec.URL = "http://h/#x" })},
		{"a host that may not be called", "url", "may not be called", push(func(s *Submission) { s.Spec.URL = "http://inside/" })},
		{"a method in small letters", "method", "capitals", push(func(s *Submission) { s.Spec.Method = "get" })},
		{"a method for proxies", "method", "capitals", push(func(s *Submission) { s.Spec.Method = "CONNECT" })},
		{"a method of a handler", "method", "belong to tasks with a url", Submission{Spec: task.Spec{Handler: "h", Method: "PUT"}}},
		{"an endpoint of a push", "endpoint", "belongs to tasks with a function", push(func(s *Submission) { s.Spec.Endpoint = "http://h/" })},
		{"a function without an endpoint", "endpoint", "is missing", call(func(s *Submission) { s.Spec.Endpoint = "" })},
		{"a function that is no name", "function", "want a name", call(func(s *Submission) { s.Spec.Function = "a b" })},
		{"an endpoint that nobody embeds", "endpoint", `scheme "embedded"`, call(func(s *Submission) { s.Spec.Endpoint = "embedded://other" })},
		{"a name with a control character", "name", "control", push(func(s *Submission) { s.Spec.Name = "a\x00b" })},
		{"a name too long", "name", "at most 200", push(func(s *Submission) { s.Spec.Name = long(201) })},
		{"a queue with a slash", "queue", "neither slashes", push(func(s *Submission) { s.Queue = "a/b" })},
		{"too many headers", "headers", "at most 64", push(func(s *Submission) { s.Spec.Header = many(65) })},
		{"headers too large", "headers", "at most 16384", push(func(s *Submission) { s.Spec.Header = []task.Header{{Name: "X", Value: long(16385)}} })},
		{"a header that is none", "headers", "is not a header name", push(func(s *Submission) { s.Spec.Header = []task.Header{{Name: "a b"}} })},
		{"a reserved header", "headers.Sendoff-Token", "set by Sendoff", push(func(s *Submission) { s.Spec.Header = []task.Header{{Name: "Sendoff-Token", Value: "1"}} })},
		{"a header with a line break", "headers.A", "control characters", push(func(s *Submission) { s.Spec.Header = []task.Header{{Name: "A", Value: "b\nc"}} })},
		{"a type twice", "headers.content-type", "given twice", push(func(s *Submission) {
			s.Spec.ContentType, s.Spec.Header = "text/plain", []task.Header{{Name: "content-type", Value: "text/html"}}
		})},
		{"a password twice", "headers.Authorization", "given twice", push(func(s *Submission) {
			s.Spec.URL, s.Spec.Header = "http://me:secret@h/", []task.Header{{Name: "Authorization", Value: "Bearer x"}}
		})},
		{"a delay backwards", "delay", "want", push(func(s *Submission) { s.Delay = -time.Second })},
		{"two times", "run_at", "not both", push(func(s *Submission) { s.Delay, s.RunAt = time.Hour, noon.Add(time.Hour) })},
		{"a time out of range", "run_at", "between 1970 and 9999", push(func(s *Submission) { s.RunAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		{"an expiry in the past", "expires_at", "must lie after", push(func(s *Submission) { s.ExpiresAt = noon })},
		{"an expiry before the delay", "expires_at", "must lie after", push(func(s *Submission) { s.Delay, s.ExpiresAt = time.Hour, noon.Add(time.Minute) })},
		{"a timeout too short", "timeout", "want 1s", push(func(s *Submission) { s.Spec.Timeout = time.Millisecond })},
		{"attempts below none", "retry.max_attempts", "want 1 to", push(func(s *Submission) { s.Spec.Retry.MaxAttempts = -1 })},
		{"attempts without end", "retry.max_attempts", "want 1 to", push(func(s *Submission) { s.Spec.Retry.MaxAttempts = task.MaxAttempts + 1 })},
		{"waits upside down", "retry.min_backoff", "more than max_backoff", push(func(s *Submission) {
			s.Spec.Retry.MinBackoff, s.Spec.Retry.MaxBackoff = time.Hour, time.Minute
		})},
		{"waits that shrink", "retry.factor", "want 1 to 100", push(func(s *Submission) { s.Spec.Retry.Factor = 0.5 })},
		{"a factor that is no number", "retry.factor", "want 1 to 100", push(func(s *Submission) { s.Spec.Retry.Factor = math.NaN() })},
		{"more chance than all", "retry.jitter", "want 0 to 1", push(func(s *Submission) { s.Spec.Retry.Jitter = 1.5 })},
		{"too many labels", "labels", "at most 32", push(func(s *Submission) { s.Spec.Labels = labels })},
		{"a label without a name", "labels", "empty key", push(func(s *Submission) { s.Spec.Labels = map[string]string{"": "x"} })},
		{"a label too long", "labels.a", "at most 500", push(func(s *Submission) { s.Spec.Labels = map[string]string{"a": long(501)} })},
		{"a priority out of range", "priority", "0 (first) to 9", push(func(s *Submission) { s.Priority = new(10) })},
		{"a payload too large", "payload", "at most 1048576", push(func(s *Submission) { s.Payload = make([]byte, task.MaxPayload+1) })},
		{"an input too large", "payload", "are allowed", call(func(s *Submission) { s.Payload = make([]byte, task.MaxState) })},
		{"an id with a slash", "id", "usable in a path", push(func(s *Submission) { s.Spec.ClientID = "a/b" })},
		{"an id that is a number", "id", "put something before it", push(func(s *Submission) { s.Spec.ClientID = strconv.FormatInt(NewID().Number(), 10) })},
		{"an idempotency key too long", "Idempotency-Key", "at most 255", push(func(s *Submission) { s.IdempotencyKey = long(256) })},
		{"a rule without a key", "unique.key", "is missing", push(func(s *Submission) { s.Unique = &Unique{} })},
		{"a window backwards", "unique.window", "want", push(func(s *Submission) { s.Unique = &Unique{Key: "k", Window: -1} })},
		{"limits beyond eight", "limits", "want 1 to 8", limited(make([]task.Limit, 9)...)},
		{"a limit without a key", "limits[0].key", "is empty", limited(task.Limit{Concurrency: 1})},
		{"a key that no path can name", "limits[0].key", "choose another", limited(task.Limit{Key: "..", Concurrency: 1})},
		{"a key too long", "limits[0].key", "at most 200", limited(task.Limit{Key: long(201), Concurrency: 1})},
		{"a key with a line break", "limits[0].key", "control", limited(task.Limit{Key: "a\nb", Concurrency: 1})},
		{"a limit of nothing", "limits[0]", "limits nothing", limited(task.Limit{Key: "a"})},
		{"less than none at a time", "limits[0].concurrency", "want 1 to 1000000", limited(task.Limit{Key: "a", Concurrency: -1})},
		{"more than can be counted", "limits[0].concurrency", "want 1 to 1000000", limited(task.Limit{Key: "a", Concurrency: 1_000_001})},
		{"a rate of no unit", "limits[0].rate", "a second, a minute or an hour", limited(task.Limit{Key: "a", Rate: task.Rate{N: 1, Per: time.Millisecond}})},
		{"a rate too high", "limits[0].rate", "want 1 to 1000000", limited(task.Limit{Key: "a", Rate: task.Rate{N: 1_000_001, Per: time.Second}})},
		{"a burst without a rate", "limits[0].burst", "belongs to a rate", limited(task.Limit{Key: "a", Concurrency: 1, Burst: 2})},
		{"a burst below none", "limits[0].burst", "want 1 to", limited(task.Limit{Key: "a", Rate: task.Rate{N: 1, Per: time.Second}, Burst: -1})},
		{"a limit twice", "limits[1].key", "another limit of this task", limited(task.Limit{Key: "a", Concurrency: 1}, task.Limit{Key: "a", Concurrency: 2})},
		{"an order key too long", "order_key", "at most 200", push(func(s *Submission) { s.Spec.OrderKey = long(201) })},
		{"an order key with a tab", "order_key", "control", push(func(s *Submission) { s.Spec.OrderKey = "a\tb" })},
		{"a duplicate key without a rule", "duplicate_key", "belongs to on_duplicate", push(func(s *Submission) { s.Spec.DuplicateKey = "k" })},
		{"a duplicate key too long", "duplicate_key", "at most 200", push(func(s *Submission) { s.Spec.OnDuplicate, s.Spec.DuplicateKey = task.Serial, long(201) })},
		{"dependencies beyond a thousand", "depends_on", "at most 1000", push(func(s *Submission) { s.Spec.DependsOn = make([]string, 1001) })},
		{"a dependency without an id", "depends_on[1]", "is empty", push(func(s *Submission) { s.Spec.DependsOn = []string{"a", ""} })},
		{"a dependency on itself", "depends_on[0]", "cannot wait for itself", push(func(s *Submission) { s.Spec.ClientID, s.Spec.DependsOn = "me", []string{"me"} })},
		{"a rule for no dependency", "when", "belongs to depends_on", push(func(s *Submission) { s.Spec.When = task.Always })},
		{"a signal to a push", "signal", "belongs to tasks with a function", push(func(s *Submission) { s.Signal = &Signal{Name: "s"} })},
		{"a signal to nobody", "signal", "needs an id or a unique key", call(func(s *Submission) { s.Signal = &Signal{Name: "s"} })},
		{"a signal and a refusal", "unique.on_conflict", "must be return", call(func(s *Submission) {
			s.Signal, s.Unique = &Signal{Name: "s"}, &Unique{Key: "k", OnConflict: store.Reject}
		})},
		{"a signal without a name", "signal.name", "is empty", call(func(s *Submission) { s.Signal, s.Spec.ClientID = &Signal{}, "c" })},
		{"a signal too large", "signal.value", "are allowed", call(func(s *Submission) {
			s.Signal, s.Spec.ClientID = &Signal{Name: "s", Value: make([]byte, task.MaxSignal+1)}, "c"
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newRig().Prepare(t.Context(), &tt.s)
			bad, ok := errors.AsType[task.Invalid](err)
			require.True(t, ok, "%v", err)
			require.Len(t, bad, 1, "one fault, one entry: %v", bad)
			require.Equal(t, tt.field, bad[0].Field)
			require.Contains(t, bad[0].Message, tt.text)
		})
	}
}

func TestAllFaultsAreFoundAtOnce(t *testing.T) {
	s := push(func(s *Submission) { s.Queue, s.Priority, s.Spec.Method, s.Spec.Timeout = "a b", new(-1), "get", 1 })
	_, err := newRig().Prepare(t.Context(), &s)
	bad, _ := errors.AsType[task.Invalid](err)
	require.Len(t, bad, 4, "%v", bad)
}

func TestARowHasWhatWasAskedForAndDefaults(t *testing.T) {
	for name, tt := range map[string]struct {
		s    Submission
		want store.NewTask
	}{
		"nothing asked for": {push(func(*Submission) {}), store.NewTask{Priority: 5, Kind: task.HTTP, MaxAttempts: 25}},
		"a delay": {
			push(func(s *Submission) { s.Delay, s.Priority = time.Minute, new(0) }),
			store.NewTask{Kind: task.HTTP, MaxAttempts: 25, RunAt: noon.Add(time.Minute).UnixMicro()},
		},
		"times": {
			push(func(s *Submission) { s.RunAt, s.ExpiresAt = noon.Add(time.Hour), noon.Add(2*time.Hour) }),
			store.NewTask{Priority: 5, Kind: task.HTTP, MaxAttempts: 25, RunAt: noon.Add(time.Hour).UnixMicro(), ExpiresAt: noon.Add(2 * time.Hour).UnixMicro()},
		},
		"a function expires": {
			call(func(s *Submission) { s.Delay = time.Hour }),
			store.NewTask{
				Priority: 5, Kind: task.Function, MaxAttempts: task.Unlimited, RunAt: noon.Add(time.Hour).UnixMicro(),
				ExpiresAt: noon.Add(time.Hour + task.DefaultExpiration).UnixMicro(),
			},
		},
		"the last of times": {
			call(func(s *Submission) { s.RunAt = latest }),
			store.NewTask{Priority: 5, Kind: task.Function, MaxAttempts: task.Unlimited, RunAt: latest.UnixMicro(), ExpiresAt: latest.UnixMicro()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newRig().Prepare(t.Context(), &tt.s)
			require.NoError(t, err)
			require.NotZero(t, got.ID)
			require.NotZero(t, got.Lane)
			spec, err := task.DecodeSpec(got.Spec)
			require.NoError(t, err)
			require.Equal(t, tt.want.RunAt, spec.RunAt)
			got.ID, got.Lane, got.Spec = task.ID{}, 0, nil
			require.Equal(t, tt.want, got)
			require.Equal(t, task.DefaultQueue, tt.s.Queue, "defaults are filled in")
		})
	}
}

func TestACallIsInTheWayOfItsCaller(t *testing.T) {
	r := newRig()
	caller := &store.Claimed{}
	caller.ID, caller.Priority, caller.ExpiresAt = task.ID{7}, task.ReadyPriority(task.Local, 2, 1), noon.Add(time.Minute).UnixMicro()
	lane := store.Lane{Namespace: store.DefaultNamespace, Queue: "theirs"}
	made, err := r.PrepareCall(t.Context(), caller, lane, &task.Call{Spec: task.Spec{Function: "f", Endpoint: "embedded://app"}, Correlation: 9})
	require.NoError(t, err)
	require.Equal(t, task.ID{7}, made.Parent)
	require.Equal(t, task.ID{7}, made.Root, "the caller is the first of the tree")
	require.EqualValues(t, 9, made.Correlation)
	require.True(t, made.Deliver)
	require.LessOrEqual(t, made.Priority, int16(task.MaxPriority), "a suspect's calls are not suspects")
	require.Equal(t, caller.ExpiresAt, made.ExpiresAt, "nobody waits for it any longer")
	detached, err := r.PrepareCall(t.Context(), caller, lane, &task.Call{Spec: task.Spec{Function: "f", Endpoint: "embedded://app"}, Queue: "own", Priority: new(1), Detached: true})
	require.NoError(t, err)
	require.False(t, detached.Deliver)
	require.EqualValues(t, 1, detached.Priority)
	require.Equal(t, noon.Add(task.DefaultExpiration).UnixMicro(), detached.ExpiresAt)
	queues, err := r.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 2)
	require.Equal(t, []string{"own", "theirs"}, []string{queues[0].Name, queues[1].Name})
}

func TestWhatWasAcceptedIsTold(t *testing.T) {
	r := newRig()
	results, err := r.Accept(t.Context(), []Submission{push(func(*Submission) {}), push(func(s *Submission) { s.Delay = time.Hour }), {}}, false)
	require.NoError(t, err)
	require.Equal(t, []store.InsertStatus{store.Created, store.Created, 0}, []store.InsertStatus{results[0].Status, results[1].Status, results[2].Status})
	require.ErrorContains(t, results[2].Err, "exactly one target")
	require.Len(t, r.woken, 1)
	require.Equal(t, []int64{noon.Add(time.Hour).UnixMicro()}, r.due)
	require.Equal(t, 2, r.accepted)

	_, err = r.Accept(t.Context(), []Submission{push(func(*Submission) {}), {}}, true)
	require.ErrorContains(t, err, "tasks[1].url")
	require.Equal(t, 2, r.accepted, "all or none")
}

func TestWhoHasNothingElseToDoIsToldBeforeAFewTasksAreStored(t *testing.T) {
	for name, c := range map[string]struct {
		subs []Submission
		told bool
	}{
		"one":     {[]Submission{push(func(*Submission) {})}, true},
		"a few":   {slices.Repeat([]Submission{push(func(*Submission) {})}, fewTasks), true},
		"many":    {slices.Repeat([]Submission{push(func(*Submission) {})}, fewTasks+1), false},
		"later":   {[]Submission{push(func(s *Submission) { s.Delay = time.Second })}, false},
		"at noon": {[]Submission{push(func(s *Submission) { s.RunAt = noon.Add(time.Hour) })}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			_, err := r.Accept(t.Context(), c.subs, false)
			require.NoError(t, err)
			if !c.told {
				require.Empty(t, r.expected)
				return
			}
			require.Equal(t, []store.Woken{{Lane: 1, Priority: 5, Position: 0}}, r.expected, "before any wake")
			require.Equal(t, 1, r.over)
		})
	}
}

func TestARoomThatIsFullOrClosedSaysSo(t *testing.T) {
	r := newRig(func(c *Config) { c.MaxBytes = 1000 })
	_, err := r.Accept(t.Context(), []Submission{push(func(s *Submission) { s.Payload = make([]byte, 1000) })}, true)
	require.ErrorIs(t, err, ErrBusy)
	_, err = r.Accept(t.Context(), []Submission{push(func(*Submission) {})}, true)
	require.NoError(t, err, "what was refused is not counted any more")

	_, err = newRig(func(c *Config) { c.Closed = true }).Accept(t.Context(), []Submission{push(func(*Submission) {})}, true)
	require.ErrorIs(t, err, ErrNoAccept)
	_, err = r.Accept(t.Context(), make([]Submission, task.MaxBatch+1), false)
	require.ErrorContains(t, err, "at most 1000")
}

func TestAnIDThatNamesAnotherTaskIsTaken(t *testing.T) {
	r := newRig()
	results, err := r.Accept(t.Context(), []Submission{push(func(*Submission) {})}, true)
	require.NoError(t, err)
	mine := push(func(s *Submission) { s.Spec.ClientID = results[0].ID.String() })
	_, err = r.Prepare(t.Context(), &mine)
	require.ErrorContains(t, err, "is the id of another task")
}

func TestWhatNodesDoNotKnowIsNotAccepted(t *testing.T) {
	r := newRig(func(c *Config) { c.Least = func() int32 { return 0 } })
	s := push(func(*Submission) {})
	_, err := r.Prepare(t.Context(), &s)
	require.ErrorIs(t, err, store.ErrOldNode)

	r = newRig(func(c *Config) { c.Least = func() int32 { return store.VersionGates - 1 } })
	_, err = r.Prepare(t.Context(), &s)
	require.NoError(t, err)
	for _, change := range []func(*task.Spec){
		func(s *task.Spec) { s.Limits = []task.Limit{{Key: "k", Concurrency: 1}} },
		func(s *task.Spec) { s.OrderKey = "k" },
		func(s *task.Spec) { s.OnDuplicate = task.Serial },
		func(s *task.Spec) { s.DependsOn = []string{"other"} },
	} {
		s := push(func(s *Submission) { change(&s.Spec) })
		_, err = r.Prepare(t.Context(), &s)
		require.ErrorIs(t, err, store.ErrOldNode, "an older node would let nobody in at its end")
	}
}

func TestQueuesAreMadeUpToABound(t *testing.T) {
	r := newRig()
	for _, queue := range []string{"a", "b", "c"} {
		s := push(func(s *Submission) { s.Queue = queue })
		_, err := r.Prepare(t.Context(), &s)
		require.NoError(t, err)
	}
	s := push(func(s *Submission) { s.Queue = "d" })
	_, err := r.Prepare(t.Context(), &s)
	require.ErrorIs(t, err, store.ErrTooManyQueues)
	require.ErrorContains(t, err, `queue "d"`)
}

func TestTheKeysOfARequestOfSeveralTasksAreTwo(t *testing.T) {
	one := Submission{IdempotencyKey: "k", Fingerprint: store.Hash{1}}
	require.Len(t, keysOf(&one), 1)
	require.False(t, keysOf(&one)[0].Shared)
	second := one
	second.Item = 2
	keys := keysOf(&second)
	require.Len(t, keys, 2)
	require.True(t, keys[0].Shared)
	require.Equal(t, keysOf(&one)[0].Hash, keys[0].Hash)
	require.NotEqual(t, keys[0].Hash, keys[1].Hash)
}
