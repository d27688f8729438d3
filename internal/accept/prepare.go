package accept

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// idempotencyTTL is how long a retried request gets the same answer.
const idempotencyTTL = 24 * time.Hour

// Prepare checks a submission and turns it into a row with a new id. The error
// is task.Invalid with every fault found, store.ErrOldNode, or one of the catalog.
func (a *Acceptor) Prepare(ctx context.Context, s *Submission) (store.NewTask, error) {
	taken, err := a.takenIDs(ctx, []Submission{*s})
	if err != nil {
		return store.NewTask{}, err
	}
	var t store.NewTask
	err = a.prepare(ctx, a.cfg.Lane, s, taken, &t)
	return t, err
}

// prepare checks a submission and writes the row into t, which is as new.
func (a *Acceptor) prepare(ctx context.Context, lanes Lanes, s *Submission, taken map[string]bool, t *store.NewTask) error {
	var bad task.Invalid
	now := a.cfg.Store.Now()
	priority := a.check(&bad, s, now)
	if taken[s.Spec.ClientID] {
		bad.Add("id", "%q is the id of another task: choose another, or leave it out", s.Spec.ClientID)
	}
	a.checkCallbacks(&bad, s, now)
	if err := bad.Err(); err != nil {
		return err
	}
	if err := a.everyNodeKnows(&s.Spec); err != nil {
		return err
	}
	lane, err := lanes(ctx, s.Namespace, s.Queue, s.Spec.Pool(), s.Spec.Group)
	if err != nil {
		return fmt.Errorf("queue %q: %w", s.Queue, err)
	}
	build(t, s, lane.ID, int16(priority), now)
	return nil
}

// check fills the defaults into a submission, notes its faults, and returns its priority.
func (a *Acceptor) check(bad *task.Invalid, s *Submission, now int64) (priority int) {
	s.Namespace, s.Queue = cmp.Or(s.Namespace, store.DefaultNamespace), cmp.Or(s.Queue, task.DefaultQueue)
	bad.CheckQueue("queue", s.Queue)
	if s.Spec.Once && s.Spec.Retry.MaxAttempts == 0 {
		s.Spec.Retry.MaxAttempts = 1 // whatever the queue says
	}
	a.fromQueue(s)
	a.checkTarget(bad, &s.Spec)
	checkHeaders(bad, &s.Spec)
	checkTimes(bad, s, now)
	checkRetry(bad, &s.Spec)
	checkLabels(bad, &s.Spec)
	checkKeys(bad, s)
	checkSignal(bad, s)
	checkWaits(bad, &s.Spec)
	s.Spec.Retention.Check(bad)
	priority = task.DefaultPriority
	if s.Priority != nil {
		priority = *s.Priority
	}
	if priority < 0 || priority > task.MaxPriority {
		bad.Add("priority", "is %d: want 0 (first) to %d", priority, task.MaxPriority)
	}
	if most := maxPayload(s.Spec.Kind); len(s.Payload) > most {
		bad.Add("payload", "has %d bytes: at most %d are allowed", len(s.Payload), most)
	}
	return priority
}

// since is the version of the first nodes that know a kind: any node may have to
// settle any task.
var since = map[task.Kind]int32{task.HTTP: 1, task.Function: 1, task.Local: 1, task.Process: 2}

// fromQueue fills in what a submission leaves to its queue.
func (a *Acceptor) fromQueue(s *Submission) {
	if a.cfg.Settings == nil {
		return
	}
	set, spec := a.cfg.Settings(s.Namespace, s.Queue), &s.Spec
	spec.Timeout, spec.Retry = cmp.Or(spec.Timeout, set.Timeout), spec.Retry.Or(set.Retry)
	switch {
	case spec.Function != "":
		spec.Endpoint = cmp.Or(spec.Endpoint, set.Target)
	case spec.URL == "" && spec.Process == "" && spec.Handler == "":
		spec.URL = set.Target
	}
}

// everyNodeKnows refuses a task while a node that is alive is too old for it.
func (a *Acceptor) everyNodeKnows(s *task.Spec) error {
	if a.cfg.Least == nil {
		return nil
	}
	needs, what := since[s.Kind], "tasks of kind "+s.Kind.String()
	if MayWait(s) && store.VersionGates > needs {
		needs, what = store.VersionGates, "limits, order_key, on_duplicate and depends_on"
	}
	if len(s.Callbacks) > 0 {
		needs, what = store.VersionCallbacks, "on_success, on_failure and on_complete"
	}
	least := a.cfg.Least()
	if least >= needs {
		return nil
	}
	return fmt.Errorf("%s need nodes of version %d, and there is one of version %d: %w", what, needs, least, store.ErrOldNode)
}

// maxPayload is how many bytes of payload a kind can take. A function's input
// travels in a request of at most task.MaxState.
func maxPayload(k task.Kind) int {
	if k == task.Function {
		return task.MaxState - 64<<10
	}
	return task.MaxPayload
}

func build(t *store.NewTask, s *Submission, lane int32, priority int16, now int64) {
	*t = store.NewTask{
		ID: s.ID, Lane: lane, Priority: priority, Kind: s.Spec.Kind, Group: s.Spec.Group, Payload: s.Payload,
		MaxAttempts: s.Spec.Retry.WithDefaults().MaxAttempts, Keys: keysOf(s), Gates: gatesOf(s), Once: s.Spec.Once, Callbacks: len(s.Spec.Callbacks) > 0,
		Retention: s.Spec.Retention != (task.Retention{}),
	}
	if t.ID.IsZero() {
		t.ID = NewID()
	}
	if !s.RunAt.IsZero() {
		t.RunAt = s.RunAt.UnixMicro()
	} else if s.Delay > 0 {
		t.RunAt = now + s.Delay.Microseconds()
	}
	s.Spec.RunAt = t.RunAt
	switch {
	case !s.ExpiresAt.IsZero():
		t.ExpiresAt = s.ExpiresAt.UnixMicro()
	case s.Spec.Kind == task.Function:
		t.ExpiresAt = min(max(t.RunAt, now)+task.DefaultExpiration.Microseconds(), latest.UnixMicro())
	}
	if g := s.Signal; g != nil {
		t.Tell = []store.Message{{Kind: store.Signal, Name: g.Name, Body: g.Value}}
	}
	if c := s.Call; c != nil {
		t.Parent, t.Root, t.Correlation, t.Deliver = c.Parent, c.Root, c.Correlation, c.Deliver
		if t.Root.IsZero() {
			t.Root = c.Parent
		}
	}
	t.Spec = s.Spec.Encode()
}

func keysOf(s *Submission) []store.Key {
	keys := idempotencyKeys(s)
	if s.Spec.ClientID != "" {
		keys = append(keys, store.Key{Kind: store.ClientIDKey, Namespace: s.Namespace, Hash: ClientIDHash(s.Spec.ClientID)})
	}
	if u := s.Unique; u != nil {
		keys = append(keys, store.Key{
			Kind: store.UniqueKey, Namespace: s.Namespace, Hash: store.HashOf([]byte(s.Queue), []byte(u.Key)),
			TTL: u.Window.Microseconds(), WhileOpen: u.WhileOpen || u.Window == 0, OnConflict: u.OnConflict,
		})
	}
	return keys
}

// idempotencyKeys are the key of the request, and in a request of several tasks
// one for this task besides. No client can send a text that is hashed to the
// latter.
func idempotencyKeys(s *Submission) []store.Key {
	if s.Own != (store.Hash{}) {
		return []store.Key{{Kind: store.IdempotencyKey, Namespace: s.Namespace, Hash: s.Own, TTL: idempotencyTTL.Microseconds()}}
	}
	if s.IdempotencyKey == "" {
		return nil
	}
	request := store.Key{
		Kind: store.IdempotencyKey, Namespace: s.Namespace, Hash: store.HashOf([]byte(s.IdempotencyKey)),
		Body: s.Fingerprint, TTL: idempotencyTTL.Microseconds(), Shared: s.Item > 0,
	}
	if !request.Shared {
		return []store.Key{request}
	}
	own := request
	own.Shared, own.Hash = false, store.HashOf([]byte(s.IdempotencyKey), []byte(strconv.Itoa(s.Item)))
	return []store.Key{request, own}
}

// ClientIDHash is the key of an id chosen by a client.
func ClientIDHash(id string) store.Hash { return store.HashOf([]byte(id)) }

func (a *Acceptor) checkTarget(bad *task.Invalid, s *task.Spec) {
	var given []string
	for _, f := range []struct{ name, value string }{
		{"url", s.URL}, {"function", s.Function}, {"process", s.Process}, {"handler", s.Handler},
	} {
		if f.value != "" {
			given = append(given, f.name)
		}
	}
	if len(given) != 1 {
		bad.Add("url", "exactly one target is needed: url, function, process or handler; given: %s", orNone(given))
		return
	}
	switch given[0] {
	case "url":
		s.Kind = task.HTTP
		a.checkURL(bad, s)
	case "handler":
		s.Kind = task.Local
		bad.CheckName("handler", s.Handler, 100)
	case "function":
		s.Kind = task.Function
		a.checkFunction(bad, s)
	default:
		s.Kind = task.Process
		a.checkProcess(bad, s)
	}
	if s.Kind != task.Function && s.Endpoint != "" {
		bad.Add("endpoint", "belongs to tasks with a function")
	}
	if s.Workers == task.DefaultWorkers {
		s.Workers = ""
	}
	if s.Kind != task.Process && s.Workers != "" {
		bad.Add("workers", "belongs to tasks with a process")
	} else if s.Workers != "" {
		bad.CheckName("workers", s.Workers, 100)
		if strings.HasPrefix(s.Workers, task.OwnWorkers) && !s.Once {
			bad.Add("workers", "%q goes with one node, and what that has not begun is lost with it: want once: true beside it, or another name", s.Workers)
		}
	}
	if s.Kind != task.HTTP && (s.Method != "" || len(s.Header) > 0) {
		bad.Add("method", "method and headers belong to tasks with a url")
	}
	bad.CheckText("name", s.Name, 200)
	bad.CheckText("group", s.Group, task.MaxGroup)
	bad.CheckText("content_type", s.ContentType, 200)
}

func (a *Acceptor) checkURL(bad *task.Invalid, s *task.Spec) {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil:
		bad.Add("url", "is not a URL: want something like http://host/path")
		return
	case u.Scheme != "http" && u.Scheme != "https":
		bad.Add("url", "has scheme %q: want http or https", u.Scheme)
		return
	case u.Hostname() == "":
		bad.Add("url", "names no host: want something like http://host/path")
		return
	case len(s.URL) > 4096:
		bad.Add("url", "has %d bytes: at most 4096 are allowed", len(s.URL))
		return
	}
	if strings.Contains(s.URL, "#") {
		bad.Add("url", "has a fragment, which is not sent: leave out # and what follows, or write %%23")
	}
	if strings.ContainsFunc(s.URL, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		bad.Add("url", "contains control characters")
		return
	}
	if a.cfg.CheckURL != nil {
		if err := a.cfg.CheckURL(u); err != nil {
			bad.Add("url", "%s", err)
		}
	}
	if s.Method == "" || s.Method == "POST" {
		s.Method = ""
		return
	}
	if s.Method != strings.ToUpper(s.Method) || !httpguts.ValidHeaderFieldName(s.Method) || s.Method == "CONNECT" || s.Method == "TRACE" {
		bad.Add("method", "is %q: want an HTTP method in capitals, such as POST, PUT, GET or DELETE", s.Method)
	}
}

// checkFunction checks the target of a function, and gives it the policy of
// functions where it brings none: its expiry bounds it, not a number of attempts.
func (a *Acceptor) checkFunction(bad *task.Invalid, s *task.Spec) {
	rules := protocol.Rules{CheckURL: a.cfg.CheckURL, Embedded: a.cfg.Embedded}
	rules.CheckTarget(bad, "", s.Function, s.Endpoint)
	s.Retry = s.Retry.Or(task.FunctionRetry)
}

func (a *Acceptor) checkProcess(bad *task.Invalid, s *task.Spec) {
	bad.CheckText("process", s.Process, maxProcess)
	if a.cfg.Process != nil {
		if err := a.cfg.Process(s.Workers, s.Process); err != nil {
			bad.Add("process", "%s", err)
		}
	}
}

// maxProcess is how many bytes the name of what a process runs may have.
const maxProcess = 4096

func checkLabels(bad *task.Invalid, s *task.Spec) {
	if len(s.Labels) > 32 {
		bad.Add("labels", "has %d entries: at most 32 are allowed", len(s.Labels))
	}
	for k, v := range s.Labels {
		if k == "" {
			bad.Add("labels", "has an empty key")
		}
		bad.CheckText("labels", k, 100)
		bad.CheckText("labels."+k, v, 500)
	}
}

// MaxKey is how many bytes an Idempotency-Key may have.
const MaxKey = 255

func checkKeys(bad *task.Invalid, s *Submission) {
	bad.CheckText("Idempotency-Key", s.IdempotencyKey, MaxKey)
	checkID(bad, s.Spec.ClientID)
	u := s.Unique
	if u == nil {
		return
	}
	if u.Key == "" {
		bad.Add("unique.key", "is missing")
	}
	bad.CheckText("unique.key", u.Key, 500)
	task.DelaySpan.Check(bad, "unique.window", u.Window)
	s.Spec.UniqueKey = u.Key
}

// checkSignal checks a signal, and gives a request without an Idempotency-Key one
// of its own: a commit without an answer is sent again, and the signal is not.
func checkSignal(bad *task.Invalid, s *Submission) {
	g := s.Signal
	if g == nil {
		return
	}
	bad.CheckName("signal.name", g.Name, task.MaxSignalName)
	switch {
	case s.Spec.Kind != task.Function:
		bad.Add("signal", "belongs to tasks with a function")
	case s.Spec.ClientID == "" && s.Unique == nil:
		bad.Add("signal", "needs an id or a unique key, which tell the function that may be there already")
	case s.Unique != nil && s.Unique.OnConflict != store.Return:
		bad.Add("unique.on_conflict", "must be return beside a signal")
	case len(g.Value) > task.MaxSignal:
		bad.Add("signal.value", "has %d bytes: at most %d are allowed", len(g.Value), task.MaxSignal)
	}
	if s.IdempotencyKey == "" {
		s.IdempotencyKey = "signal " + NewID().String()
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " and ")
}

// Place is where a task stands in a batch, as the faults of its fields begin.
func Place(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("tasks[%d].", i)
}
